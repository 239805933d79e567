import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { LIST_GROUPS_BY_DOMAIN } from "../common/documents.mjs";
import { Inbox, reported } from "../common/inbox.mjs";
import { Node } from "../common/node.mjs";
import { runScenario } from "../common/scenario.mjs";
import { open, said, startAck } from "./client.mjs";

const scenario = runScenario(open);

scenario.test("a subscription is acknowledged by start_ack, after connection_ack and ka", () => {
  assert.deepEqual([...new Set(said)].slice(0, 3), ["connection_ack", "ka", "start_ack"]);
});

scenario.test("what is sent right after start_ack is received, every time", async () => {
  const client = open(scenario.server, scenario.server.url);
  const host = new Node(client);
  await host.createGroup(`clients-${randomUUID()}`);
  try {
    for (let n = 1; n <= 20; n += 1) {
      const inbox = new Inbox();
      const end = host.listen(inbox);
      await startAck();
      await host.report({ count: n });
      await inbox.first((message) => reported(message, host.id, "count") === String(n), `report ${n}`, 3_000);
      end();
    }
  } finally {
    client.close();
  }
});

scenario.test("every object it gets knows its __typename", async () => {
  const client = open(scenario.server, scenario.server.url);
  const host = new Node(client);
  const group = await host.createGroup(`clients-${randomUUID()}`);
  assert.equal(group.__typename, "Group");
  const inbox = new Inbox();
  host.listen(inbox);
  await startAck();
  await host.report({ count: "1" });
  await host.fire("ping");
  const status = await inbox.first((message) => message.nodeStatus, "the report");
  assert.equal(status.__typename, "MeshMessage");
  assert.equal(status.nodeStatus.__typename, "NodeStatus");
  assert.equal(status.nodeStatus.data[0].__typename, "SensorData");
  const batch = await inbox.first((message) => message.batchEvent, "the event");
  assert.equal(batch.batchEvent.__typename, "BatchEvent");
  assert.equal(batch.batchEvent.events[0].__typename, "Event");
  client.close();
});

scenario.test("a wrong key is a network error with status 401, at once", async () => {
  const stranger = open({ apiKey: "not-a-key" }, scenario.server.url);
  const started = Date.now();
  const error = await stranger.send(LIST_GROUPS_BY_DOMAIN, { domain: "anywhere" }).then(
    () => assert.fail("the query was answered"),
    (refused) => refused,
  );
  assert.equal(error.networkError?.statusCode, 401);
  assert.equal(error.networkError.result.errors[0].errorType, "UnauthorizedException");
  assert.ok(Date.now() - started < 2_000, "it was not repeated");
  stranger.close();
});

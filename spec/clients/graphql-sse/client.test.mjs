import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { LIST_GROUPS_BY_DOMAIN } from "../common/documents.mjs";
import { Inbox, reported } from "../common/inbox.mjs";
import { Node } from "../common/node.mjs";
import { listening, runScenario } from "../common/scenario.mjs";
import { openWith } from "./client.mjs";

const retry = { retry: () => sleep(100), retryAttempts: 100 };

// One stream for each operation, and one for all of a client.
for (const singleConnection of [false, true]) {
  const open = openWith({ ...retry, singleConnection });
  const scenario = runScenario(open);

  scenario.test("after a restart it receives again by itself", async (context) => {
    if (!scenario.server.restart) return context.skip("a running server cannot be restarted");
    const client = open(scenario.server, scenario.server.url);
    const host = new Node(client);
    await host.createGroup(`clients-${host.id}`);
    const inbox = new Inbox();
    host.listen(inbox);
    await listening(host, [inbox]);
    await scenario.server.restart();
    let received = false;
    const again = inbox.first((message) => reported(message, host.id, "again") !== undefined, "a report after the restart");
    again.finally(() => (received = true)).catch(() => {});
    for (let n = 1; !received; n += 1) {
      await host.report({ again: n });
      await sleep(50);
    }
    await again;
    assert.equal(inbox.failures.length, 0);
    client.close();
  });

  scenario.test("a wrong key is refused", async () => {
    const stranger = openWith({ retryAttempts: 0, singleConnection })({ apiKey: "not-a-key" }, scenario.server.url);
    const refused = await stranger.send(LIST_GROUPS_BY_DOMAIN, { domain: "anywhere" }).then(
      () => assert.fail("the query was answered"),
      (error) => error,
    );
    assert.equal(refused.response.status, 401);
    stranger.close();
  });
}

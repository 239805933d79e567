import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { ON_MESSAGE_IN_GROUP } from "../common/documents.mjs";
import { Inbox, reported } from "../common/inbox.mjs";
import { Node } from "../common/node.mjs";
import { listening, runScenario } from "../common/scenario.mjs";
import { openOver, program } from "./client.mjs";

// It waits a second and more before it connects again.
const scenario = runScenario(openOver("websockets"), { patience: 30_000 });

for (const transport of ["aiohttp_websockets", "appsync_websockets"]) {
  scenario.test(`over its transport ${transport} it receives reports and events in order, too`, async () => {
    const client = await openOver(transport)(scenario.server, scenario.server.url);
    try {
      const host = new Node(client);
      await host.createGroup(`clients-${randomUUID()}`);
      const inbox = new Inbox();
      host.listen(inbox);
      await listening(host, [inbox]);
      for (let n = 1; n <= 5; n += 1) await host.report({ count: n });
      await inbox.first((message) => reported(message, host.id, "count") === "5", "the last report");
      const counts = inbox.messages.map((message) => reported(message, host.id, "count")).filter(Boolean);
      assert.deepEqual(counts, ["1", "2", "3", "4", "5"]);
      assert.deepEqual(inbox.failures, []);
    } finally {
      await client.close();
    }
  });
}

/** Runs gql-cli with a document on its stdin. */
function cli(url, key, document) {
  const child = spawn(program("gql-cli"), [url, "-H", `x-api-key:${key}`], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(document);
  return child;
}

async function asks(url, key, document) {
  const child = cli(url, key, document);
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  assert.equal(code, 0, said);
  return JSON.parse(said);
}

scenario.test("gql-cli asks over HTTP and over a socket, and receives", async () => {
  const { url, apiKey } = scenario.server;
  const socket = url.replace(/^http/, "ws");
  const [host, domain] = ["teacher", `clients-${randomUUID()}`];
  const create = `mutation { createGroup(name: "class", hostId: "${host}", domain: "${domain}", useWebSocket: true) { id } }`;
  const { createGroup } = await asks(url, apiKey, create);
  const list = `{ listGroupsByDomain(domain: "${domain}") { id } }`;
  assert.deepEqual(await asks(socket, apiKey, list), { listGroupsByDomain: [{ id: createGroup.id }] });

  const document = ON_MESSAGE_IN_GROUP.replace(/\(\$groupId.*?\)/, "")
    .replace("$groupId", `"${createGroup.id}"`)
    .replace("$domain", `"${domain}"`);
  const listener = cli(socket, apiKey, document);
  const received = once(listener.stdout, "data");
  const client = await openOver("websockets")(scenario.server, url);
  const teacher = new Node(client);
  teacher.id = host;
  teacher.group = { groupId: createGroup.id, domain };
  let waiting = true;
  // It does not say when its subscription stands.
  while (waiting) {
    await teacher.report({ temperature: 21 });
    waiting = await Promise.race([received.then(() => false), new Promise((later) => setTimeout(later, 100, true))]);
  }
  const message = JSON.parse(String((await received)[0]).split("\n")[0]).onMessageInGroup;
  assert.equal(reported(message, host, "temperature"), "21");
  listener.kill("SIGKILL"); // it would print at length how it was stopped
  await Promise.all([once(listener, "exit"), client.close()]);
});

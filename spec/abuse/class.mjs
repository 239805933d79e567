// Pupils with published clients: class.mjs URL TLS_URL KEY DOMAIN. They join the first group of the domain,
// report and fire once a second, and count what was refused or is missing until stdin ends.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { open as openAmplify } from "../clients/aws-amplify/client.mjs";
import { open as openEditor } from "../clients/aws-appsync/client.mjs";
import * as documents from "../clients/common/documents.mjs";
import { Inbox, say } from "../clients/common/inbox.mjs";
import { Node } from "../clients/common/node.mjs";
import { open as openGraphqlWs } from "../clients/graphql-ws/client.mjs";

// The load tool's subscribers do not count messages with it as their own.
const UNCOUNTED = `@m:p${"0".repeat(35)}`;
const [url, tlsUrl, apiKey, domain] = process.argv.slice(2);
const failures = [];
let calls = 0;

class Pupil {
  inbox = new Inbox();
  sent = [];
  polled = [];
  since = new Date().toISOString();

  constructor(name, client, polls = false) {
    Object.assign(this, { name, client, polls, node: new Node(client) });
  }

  async tries(what, call) {
    calls += 1;
    try {
      return await call();
    } catch (error) {
      failures.push(`${this.name}: ${what}: ${say(error)}`);
    }
  }

  async round(n) {
    await this.tries("report", () => this.node.report({ lesson: `${n} ${UNCOUNTED}` }));
    const event = { eventName: String(n), payload: UNCOUNTED, firedAt: new Date().toISOString(), orderKey: `${n}` };
    const document = this.polls ? documents.RECORD_EVENTS_BY_NODE : documents.FIRE_EVENTS_BY_NODE;
    const variables = { ...this.node.group, nodeId: this.node.id, events: [event] };
    await this.tries("events", () => this.client.send(document, variables));
    this.sent.push(String(n));
    if (this.polls && n % 2 === 0) await this.poll();
    if (n % 10 === 0) await this.tries("heartbeat", () => this.node.beat());
    if (n % 15 === 0) await this.tries("statuses", () => this.node.statuses());
  }

  async poll() {
    for (;;) {
      const page = await this.tries("poll", () => this.node.poll(this.since));
      if (!page?.events.length) return;
      this.polled.push(...page.events);
      this.since = page.events.at(-1).cursor;
      if (page.events.length < 100) return;
    }
  }

  /** The events of another pupil, in the order in which they came. */
  received(other) {
    const batches = this.inbox.messages.flatMap(({ batchEvent }) => batchEvent?.events ?? []);
    return (this.polls ? this.polled : batches).filter((event) => event.firedByNodeId === other.node.id).map(({ name }) => name);
  }
}

const pupils = [
  new Pupil("aws-appsync", openEditor({ apiKey }, url)),
  new Pupil("aws-appsync, polling", openEditor({ apiKey }, url), true),
  new Pupil("graphql-ws", openGraphqlWs({ apiKey }, url)),
  new Pupil("aws-amplify", await openAmplify({ apiKey }, tlsUrl)),
];
const [first] = pupils;
let group;
while (!group) {
  const { listGroupsByDomain } = await first.client.send(documents.LIST_GROUPS_BY_DOMAIN, { domain });
  group = listGroupsByDomain.find(({ name }) => name.startsWith("bench "));
  await sleep(100);
}
for (const pupil of pupils) {
  await pupil.node.join({ groupId: group.id, domain }, !pupil.polls);
  if (!pupil.polls) pupil.node.listen(pupil.inbox);
}
for (const { inbox, polls } of pupils) {
  if (!polls) await inbox.first(() => true, "a message");
}
console.log(JSON.stringify({ groupId: group.id, domain }));

let over = false;
process.stdin.resume();
const end = once(process.stdin, "end").then(() => (over = true));
await Promise.all(
  pupils.map(async (pupil, index) => {
    await sleep(index * 250);
    for (let n = 1; !over; n += 1) {
      const next = Date.now() + 1_000;
      await pupil.round(n);
      await Promise.race([end, sleep(Math.max(0, next - Date.now()))]);
    }
  }),
);
await sleep(1_500);
for (const pupil of pupils) if (pupil.polls) await pupil.poll();
for (const pupil of pupils) {
  for (const failure of pupil.inbox.failures) failures.push(`${pupil.name}: ${say(failure)}`);
  // A poller does not poll its own.
  for (const other of pupils.filter((one) => one !== pupil)) {
    const received = pupil.received(other);
    if (String(received) !== String(other.sent)) {
      failures.push(`${pupil.name} received ${received.length} of ${other.sent.length} events of ${other.name}`);
    }
  }
}
console.log(JSON.stringify({ calls, failures }));
await Promise.all(pupils.map(({ client }) => client.close()));
process.exit();

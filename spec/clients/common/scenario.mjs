// The scenario that every client must pass.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LIST_GROUPS_BY_DOMAIN } from "./documents.mjs";
import { fired, Inbox, plain, reported } from "./inbox.mjs";
import { Node } from "./node.mjs";
import { canRelay, openRelay } from "./relay.mjs";
import { startServer } from "./server.mjs";

/**
 * Registers the scenario's tests for a client.
 *
 * `open(server, url)` makes one: `send(query, variables)` resolves to the data
 * or rejects, `refusal(error)` gives the first GraphQL error of a rejection,
 * `listen(query, variables, inbox)` subscribes and returns what ends it,
 * `close()` ends everything.
 *
 * Returns an object whose `server` is set once the tests run.
 */
export function runScenario(open, { secure = false, patience = 20_000 } = {}) {
  const scenario = {};
  const domain = `clients-${randomUUID()}`;
  const clients = [];
  const hostInbox = new Inbox();
  const memberInbox = new Inbox();
  let relay, host, member, group;

  const client = async (url) => {
    const made = await open(scenario.server, url);
    clients.push(made);
    return made;
  };

  before(async () => {
    scenario.server = await startServer({ secure });
    if (!scenario.server) return;
    if (canRelay(scenario.server.url)) relay = await openRelay(scenario.server.url);
    host = new Node(await client(relay?.url ?? scenario.server.url));
    member = new Node(await client(scenario.server.url));
  });

  after(async () => {
    const ends = await Promise.allSettled([...clients, ...(relay ? [relay] : [])].map(async (made) => made.close()));
    await scenario.server?.stop();
    for (const { reason } of ends) if (reason) throw reason;
  });

  /** A test that needs a server; `needs` names what else may be missing. */
  const step = (sentence, body, needs = () => undefined) =>
    test(sentence, { timeout: 60_000 }, (context) => {
      if (!scenario.server) return context.skip("this client needs a server behind TLS: MESH_URL with https");
      const missing = needs();
      return missing ? context.skip(missing) : body(context);
    });
  scenario.test = step;

  step("a host creates a group and finds it in its domain", async () => {
    group = plain(await host.createGroup(domain));
    assert.equal(group.fullId, `${group.id}@${domain}`);
    assert.equal(group.hostId, host.id);
    assert.equal(group.useWebSocket, true);
    const { listGroupsByDomain } = await host.client.send(LIST_GROUPS_BY_DOMAIN, { domain });
    const { id, fullId, name, hostId, expiresAt } = group;
    assert.deepEqual(plain(listGroupsByDomain), [{ id, domain, fullId, name, hostId, expiresAt }]);
  });

  step("a member joins and gets the group's settings", async () => {
    const node = await member.join(host.group);
    assert.equal(node.id, member.id);
    assert.equal(node.expiresAt, group.expiresAt);
    assert.equal(node.useWebSocket, true);
  });

  step("both subscribe and receive the host's report", async () => {
    host.listen(hostInbox);
    member.listen(memberInbox);
    await listening(host, [hostInbox, memberInbox]);
    await host.report({ speed: "7", 名前: "ねこ🐈" });
    for (const inbox of [hostInbox, memberInbox]) {
      const message = plain(await inbox.first((message) => reported(message, host.id, "speed") === "7", "the host's report"));
      assert.equal(message.groupId, group.id);
      assert.equal(message.domain, domain);
      assert.deepEqual(message.nodeStatus.data, [
        { key: "speed", value: "7" },
        { key: "名前", value: "ねこ🐈" },
      ]);
      assert.equal(message.batchEvent, null);
      assert.equal(message.groupDissolve, null);
    }
  });

  step("both receive the member's events, whole and in the order of the call", async () => {
    await member.fire("ぽん", "ping", "pong");
    for (const inbox of [hostInbox, memberInbox]) {
      const message = plain(await inbox.first((message) => fired(message, member.id).length > 0, "the member's events"));
      assert.deepEqual(fired(message, member.id), ["ぽん", "ping", "pong"]);
      assert.equal(message.nodeStatus, null);
      assert.equal(message.groupDissolve, null);
      assert.ok(message.batchEvent.events.every(({ payload }) => payload === null), "an empty payload arrives as null");
    }
  });

  step("reports and events arrive in the order in which they were sent, to both alike", async () => {
    const before = [hostInbox.messages.length, memberInbox.messages.length];
    const sent = [];
    for (let n = 1; n <= 20; n += 1) {
      await member.report({ count: n });
      await member.fire(`count ${n}`);
      sent.push(`is ${n}`, `count ${n}`);
    }
    for (const [index, inbox] of [hostInbox, memberInbox].entries()) {
      await inbox.first((message) => fired(message, member.id).includes("count 20"), "the last event");
      const received = inbox.messages
        .slice(before[index])
        .flatMap((message) => (message.nodeStatus ? [`is ${reported(message, member.id, "count")}`] : fired(message, member.id)));
      assert.deepEqual(received, sent);
    }
  });

  step(
    "after its socket was dropped the host receives messages again by itself",
    async () => {
      const accepted = relay.accepted();
      assert.ok(relay.cut() > 0, "there was nothing to cut");
      // Nothing missed is replayed: report until one report is received.
      const stop = keepReporting(member, "after the drop");
      await hostInbox
        .first((message) => reported(message, member.id, "after the drop") !== undefined, "a report after the drop", patience)
        .finally(stop);
      assert.ok(relay.accepted() > accepted, "it came back on a new connection");

      await member.fire("welcome back");
      await hostInbox.first((message) => fired(message, member.id).includes("welcome back"), "the event after the drop");
      await host.report({ speed: "8" });
      await hostInbox.first((message) => reported(message, host.id, "speed") === "8", "its own report after the drop");
      await sleep(300);
      const welcomes = hostInbox.messages.filter((message) => fired(message, member.id).includes("welcome back"));
      assert.equal(welcomes.length, 1, "it subscribed once, not twice");
    },
    () => (relay ? undefined : "no relay is possible to a server with a certificate for another name"),
  );

  step("a request to an unknown group is refused with GroupNotFound", async () => {
    const lost = new Node(member.client);
    lost.group = { groupId: "no-such-group", domain };
    const error = await lost.report({ speed: "1" }).then(
      () => assert.fail("the report was accepted"),
      (refused) => refused,
    );
    const refusal = member.client.refusal(error);
    assert.equal(refusal?.message, `Group not found: no-such-group@${domain}`, String(error?.message ?? error));
    assert.equal(refusal.errorType, "GroupNotFound");
  });

  step("when the host dissolves the group the member receives its end", async () => {
    await host.dissolve();
    const message = await memberInbox.first((message) => message.groupDissolve, "the end of the group");
    assert.equal(message.groupDissolve.message, `Group ${group.id}@${domain} has been dissolved successfully.`);
    assert.equal(hostInbox.failures.length + memberInbox.failures.length, 0);
  });

  return scenario;
}

/** Reports until all inboxes have a report: not every protocol acknowledges a subscription. */
export async function listening(node, inboxes) {
  const stop = keepReporting(node, "is everyone subscribed");
  const isReport = (message) => reported(message, node.id, "is everyone subscribed") !== undefined;
  await Promise.all(inboxes.map((inbox) => inbox.first(isReport, "the first report"))).finally(stop);
}

/** Reports every 100 ms. Returns what ends it, once the last report is answered. */
function keepReporting(node, key) {
  let going = true;
  const done = (async () => {
    for (let n = 1; going; n += 1) {
      await node.report({ [key]: n });
      await sleep(100);
    }
  })();
  done.catch(() => {}); // awaited by the caller of stop
  return () => {
    going = false;
    return done;
  };
}

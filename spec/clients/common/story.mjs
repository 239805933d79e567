// What every client must live through, told once.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LIST_GROUPS_BY_DOMAIN } from "./documents.mjs";
import { fired, Inbox, plain, reported } from "./inbox.mjs";
import { Node } from "./node.mjs";
import { canLayRoad, layRoad } from "./road.mjs";
import { startStage } from "./stage.mjs";

/**
 * Tells the story with a client.
 *
 * `open(stage, url)` makes one: `send(query, variables)` resolves to the data
 * or rejects, `refusal(error)` gives the first GraphQL error of a rejection,
 * `listen(query, variables, inbox)` subscribes and returns what ends it,
 * `close()` ends everything.
 *
 * Returns an object whose `stage` is there once the tests run.
 */
export function tellStory(open, { secure = false, patience = 20_000 } = {}) {
  const story = {};
  const domain = `clients-${randomUUID()}`;
  const clients = [];
  const heardByHost = new Inbox();
  const heardByMember = new Inbox();
  let road, host, member, group;

  const client = async (url) => {
    const made = await open(story.stage, url);
    clients.push(made);
    return made;
  };

  before(async () => {
    story.stage = await startStage({ secure });
    if (!story.stage) return;
    if (canLayRoad(story.stage.url)) road = await layRoad(story.stage.url);
    host = new Node(await client(road?.url ?? story.stage.url));
    member = new Node(await client(story.stage.url));
  });

  after(async () => {
    const ends = await Promise.allSettled([...clients, ...(road ? [road] : [])].map(async (made) => made.close()));
    await story.stage?.stop();
    for (const { reason } of ends) if (reason) throw reason;
  });

  /** A test that needs a stage; `needs` names what else may be missing. */
  const tell = (sentence, tale, needs = () => undefined) =>
    test(sentence, { timeout: 60_000 }, (context) => {
      if (!story.stage) return context.skip("this client needs a stage behind TLS: MESH_URL with https");
      const missing = needs();
      return missing ? context.skip(missing) : tale(context);
    });
  story.tell = tell;

  tell("a host creates a group and finds it in its domain", async () => {
    group = plain(await host.createGroup(domain));
    assert.equal(group.fullId, `${group.id}@${domain}`);
    assert.equal(group.hostId, host.id);
    assert.equal(group.useWebSocket, true);
    const { listGroupsByDomain } = await host.client.send(LIST_GROUPS_BY_DOMAIN, { domain });
    const { id, fullId, name, hostId, expiresAt } = group;
    assert.deepEqual(plain(listGroupsByDomain), [{ id, domain, fullId, name, hostId, expiresAt }]);
  });

  tell("a member joins and is told what the group is", async () => {
    const node = await member.join(host.group);
    assert.equal(node.id, member.id);
    assert.equal(node.expiresAt, group.expiresAt);
    assert.equal(node.useWebSocket, true);
  });

  tell("both subscribe, and hear the host's report", async () => {
    host.listen(heardByHost);
    member.listen(heardByMember);
    await listening(host, [heardByHost, heardByMember]);
    await host.report({ speed: "7", 名前: "ねこ🐈" });
    for (const inbox of [heardByHost, heardByMember]) {
      const message = plain(await inbox.first((heard) => reported(heard, host.id, "speed") === "7", "the host's report"));
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

  tell("both hear the member's events, whole and in the order of the call", async () => {
    await member.fire("ぽん", "ping", "pong");
    for (const inbox of [heardByHost, heardByMember]) {
      const message = plain(await inbox.first((heard) => fired(heard, member.id).length > 0, "the member's events"));
      assert.deepEqual(fired(message, member.id), ["ぽん", "ping", "pong"]);
      assert.equal(message.nodeStatus, null);
      assert.equal(message.groupDissolve, null);
      assert.ok(message.batchEvent.events.every(({ payload }) => payload === null), "an empty payload arrives as null");
    }
  });

  tell("reports and events arrive in the order in which they were sent, to both alike", async () => {
    const before = [heardByHost.messages.length, heardByMember.messages.length];
    const sent = [];
    for (let n = 1; n <= 20; n += 1) {
      await member.report({ count: n });
      await member.fire(`count ${n}`);
      sent.push(`is ${n}`, `count ${n}`);
    }
    for (const [index, inbox] of [heardByHost, heardByMember].entries()) {
      await inbox.first((heard) => fired(heard, member.id).includes("count 20"), "the last event");
      const heard = inbox.messages
        .slice(before[index])
        .flatMap((message) => (message.nodeStatus ? [`is ${reported(message, member.id, "count")}`] : fired(message, member.id)));
      assert.deepEqual(heard, sent);
    }
  });

  tell(
    "after its socket was dropped the host hears again by itself",
    async () => {
      const travelled = road.travelled();
      assert.ok(road.cut() > 0, "there was nothing to cut");
      // Nothing missed is replayed: report until one report is heard.
      const stop = keepReporting(member, "after the drop");
      await heardByHost
        .first((heard) => reported(heard, member.id, "after the drop") !== undefined, "a report after the drop", patience)
        .finally(stop);
      assert.ok(road.travelled() > travelled, "it came back on a new connection");

      await member.fire("welcome back");
      await heardByHost.first((heard) => fired(heard, member.id).includes("welcome back"), "the event after the drop");
      await host.report({ speed: "8" });
      await heardByHost.first((heard) => reported(heard, host.id, "speed") === "8", "its own report after the drop");
      await sleep(300);
      const welcomes = heardByHost.messages.filter((heard) => fired(heard, member.id).includes("welcome back"));
      assert.equal(welcomes.length, 1, "it subscribed once, not twice");
    },
    () => (road ? undefined : "no road can be laid to a stage with a certificate for another name"),
  );

  tell("who asks for an unknown group is told GroupNotFound", async () => {
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

  tell("when the host dissolves the group the member hears it", async () => {
    await host.dissolve();
    const message = await heardByMember.first((heard) => heard.groupDissolve, "the end of the group");
    assert.equal(message.groupDissolve.message, `Group ${group.id}@${domain} has been dissolved successfully.`);
    assert.equal(heardByHost.failures.length + heardByMember.failures.length, 0);
  });

  return story;
}

/** Reports until everybody has heard it: not every protocol tells when a subscription stands. */
export async function listening(node, inboxes) {
  const stop = keepReporting(node, "is anybody there");
  const heard = (message) => reported(message, node.id, "is anybody there") !== undefined;
  await Promise.all(inboxes.map((inbox) => inbox.first(heard, "the first report"))).finally(stop);
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
  done.catch(() => {}); // told by the stop
  return () => {
    going = false;
    return done;
  };
}

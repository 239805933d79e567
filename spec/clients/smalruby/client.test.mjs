// Editors play together on WebSockets, by polling and mixed; the server restarts under them, a
// host vanishes, and a group's time ends.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openFilter } from "../common/filter.mjs";
import { startServer } from "../common/server.mjs";
import { Editor } from "./editor.mjs";
import { label } from "./rules.mjs";

const QUICK = { report: 250, events: 250, sync: 1_000 };
const HEARTBEATS = ["--host-heartbeat-interval", "1", "--host-heartbeat-ttl", "6", "--member-heartbeat-interval", "1"];
const TIMES = [...HEARTBEATS, "--member-heartbeat-ttl", "8", "--polling-interval", "1"];
const LIFE = 8; // seconds of the groups whose time ends

let server, brief, filter;
const editors = [];

before(async () => {
  assert.equal(process.env.MESH_URL, undefined, "a running server cannot be restarted");
  [server, brief] = await Promise.all([
    startServer({ flags: TIMES }),
    startServer({ flags: [...TIMES, "--default-connection-time", String(LIFE)] }),
  ]);
  filter = await openFilter(server.url, { websocket: "refuse" });
});

after(async () => {
  for (const editor of editors) editor.close();
  await Promise.allSettled([filter?.close(), server?.stop(), brief?.stop()]);
});

/** `link` says how it reaches the server: by WebSocket, forced to poll, or behind a filter of WebSockets. */
function editor(name, link = "webSocket", to = server) {
  const url = link === "filter" ? new URL("graphql", filter.url).href : to.url;
  const options = { forcePolling: link === "polling", url, intervals: QUICK };
  const made = new Editor(to, { ...options, globals: { [`of ${name}`]: 0, shared: "" } });
  editors.push(made);
  return Object.assign(made, { name, count: 0 });
}

async function until(check, what, patience = 15_000) {
  const deadline = Date.now() + patience;
  while (!check()) {
    if (Date.now() > deadline) assert.fail(`waited ${patience} ms for ${what()}`);
    await sleep(20);
  }
}

/** Each sets its own variable and one that all set, then broadcasts. What was played before is over. */
async function play(players, rounds, pause = 300) {
  for (const player of players) {
    Object.assign(player, { sent: [], replayed: [], overlaps: 0 });
    player.feed.overlaps = 0;
  }
  for (let n = 0; n < rounds; n += 1) {
    for (const player of players) {
      const name = `${player.name} ${(player.count += 1)}`;
      player.set(`of ${player.name}`, player.count);
      player.set("shared", name);
      player.broadcast(name);
      player.sent.push(name);
      await sleep(pause / players.length);
    }
  }
}

const replayedOf = (player, sender) =>
  player.replayed.filter(({ firedByNodeId }) => firedByNodeId === sender.nodeId).map(({ name }) => name);

/**
 * All have each event of the others once and in its order, and agree on each value. On a slow machine or during a
 * restart the editor sends a batch before the one before was answered, and polls so: then order is not counted,
 * or that an event came once.
 */
async function agree(players) {
  const own = (sender) => [`of ${sender.name}`, String(sender.count)];
  const compared = (names, sender, player) => {
    const each = player.feed.overlaps > 0 ? [...new Set(names)] : names;
    return sender.overlaps > 0 ? each.toSorted() : each;
  };
  for (const player of players) {
    const others = players.filter((other) => other !== player);
    const got = () => others.every((sender) => new Set(replayedOf(player, sender)).size >= sender.sent.length);
    const counts = () => others.map((sender) => `${replayedOf(player, sender).length} of ${sender.sent.length} of ${sender.name}`);
    await until(got, () => `events at ${player.name}: ${counts()}; ${player.logged.map(String)}`);
    for (const sender of others) {
      const expected = compared(sender.sent, sender, player);
      assert.deepEqual(compared(replayedOf(player, sender), sender, player), expected, `${sender.name} at ${player.name}`);
    }
    assert.deepEqual(replayedOf(player, player), [], "its own events are not replayed");
    for (const [key, value] of players.map(own)) {
      await until(() => player.read(key) === value, () => `${key} = ${value} at ${player.name}: ${player.read(key)}`);
    }
  }
  const last = players.map(({ sent }) => sent.at(-1));
  const shared = () => new Set(players.map((player) => player.read("shared")));
  await until(() => shared().size === 1 && last.includes([...shared()][0]), () => `one shared value: ${[...shared()]}`);
}

const groups = [
  { title: "on WebSockets, with one that polls", links: ["webSocket", "webSocket", "polling"], useWebSocket: true },
  { title: "by polling, for the host is behind a filter", links: ["filter", "webSocket"], useWebSocket: false },
];

describe("editors", { concurrency: true }, () => {
  for (const [index, { title, links, useWebSocket }] of groups.entries()) {
    test(title, { timeout: 60_000 }, async () => {
      const players = links.map((link, n) => editor("abc"[n], link));
      const [host, ...members] = players;
      for (const player of players) player.domain = `editors-${index}`;
      const made = await host.host();
      assert.equal(made.useWebSocket, useWebSocket);
      assert.equal(host.useWebSocket, useWebSocket);

      const [found] = await members[0].scan();
      assert.equal(found.id, made.id);
      const searched = await members[0].search(found.label);
      assert.ok(searched.some(({ id }) => id === made.id));
      for (const [n, member] of members.entries()) {
        await member.join(found);
        assert.equal(member.useWebSocket, useWebSocket && links[n + 1] !== "polling");
      }
      await play(players, 5);
      await agree(players);
      await Promise.all([play(players, 10), index === 0 ? restartOf(server) : restarted]);
      await agree(players);
      await play(players, 3);
      await agree(players);

      host.close();
      await until(() => members.every(({ state }) => state !== "connected"), () => "the end after the host vanished");
      // By polling, the next heartbeat is refused. On a WebSocket, groupDissolve may be there before that.
      for (const { useWebSocket, reason } of members) {
        assert.ok(reason === "GroupNotFound" || (useWebSocket && reason === "unknown"), reason);
      }
    });
  }

  test("a group's time ends: all leave", { timeout: 30_000 }, async () => {
    const players = ["webSocket", "webSocket", "polling"].map((link, n) => editor("abc"[n], link, brief));
    const [host, ...members] = players;
    const began = Date.now();
    const made = await host.host();
    for (const member of members) await member.join(made);
    await play(players, 1);
    await until(() => players.every(({ state }) => state !== "connected"), () => players.map(({ state }) => state));
    const lived = Date.now() - began;
    assert.ok(lived > LIFE * 900 && lived < LIFE * 1_000 + 5_000, `it lived ${lived} ms`);
    // A machine that is late by a second is refused a heartbeat first.
    for (const { reason, logged } of players) {
      const isRefused = reason === "GroupNotFound" && /Group (expired|not found): /.test(logged.at(-1).message);
      assert.ok(reason === "unknown" || isRefused, String(logged.at(-1)));
    }
    assert.deepEqual(await members[0].scan(), []);
  });
});

test("a lesson of the teacher's page is found by the six hiragana of its code", async () => {
  const query = `mutation {
    createGroup(name: "lesson", nameIsJoinCode: true, hostId: "teacher", domain: "lesson", useWebSocket: true) { id joinCode }
  }`;
  const pupil = editor("pupil");
  const { createGroup } = await pupil.client.send(query, {});
  const [found] = await pupil.search(label(createGroup.joinCode));
  assert.equal(found.id, createGroup.id);
  assert.equal(found.label, label(createGroup.joinCode));
  const { useWebSocket } = await pupil.join(found);
  assert.equal(useWebSocket, true);
  await pupil.leave();
  assert.equal(pupil.state, "disconnected");
  assert.deepEqual(pupil.logged, []);
});

let isRestarted;
const restarted = new Promise((resolve) => (isRestarted = resolve));

async function restartOf(one) {
  await one.restart();
  isRestarted();
}

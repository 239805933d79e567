// The extension in three kinds of editors: packaged projects outside the sandbox, TurboWarp's sandbox,
// and Scratch's own VM with the module for Xcratch. They play in one group.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openRelay } from "../../../spec/clients/common/relay.mjs";
import { startServer } from "../../../spec/clients/common/server.mjs";
import { Member } from "../class.mjs";
import { play } from "./player.mjs";
import { block, changeVariable, forever, setVariable, whenFlag, whenReceived } from "./project.mjs";
import { playHeadless } from "./vm.mjs";

const CREATE = `mutation { createGroup(
  name: "lesson", nameIsJoinCode: true, hostId: "teacher", domain: "extension", useWebSocket: true
) { joinCode } }`;
/** Longer than an event takes to arrive a second time, if it did. */
const SETTLE_MS = 500;

const mesh = (opcode, inputs) => block(`meshv2_${opcode}`, inputs);

let server;
let relay;
let code;
let players = [];

const extension = (file) => new URL(`extension/${file}`, relay.url).href;

/**
 * A project that joins as `name`, shares its variable of that name, counts the broadcasts "go" that
 * arrive, and shows what it knows of the others: the value of the one before it, and the last event.
 */
const project = (name, other, place = code) => ({
  variables: { [name]: "", seen: "", heard: 0, event: "", sender: "", state: "", people: 0, "☁ own": 1 },
  extensions: { meshv2: extension("mesh.js") },
  scripts: [
    [whenFlag(), mesh("join", { CODE: place, NAME: name })],
    [
      whenFlag(),
      forever(
        setVariable("seen", mesh("valueOf", { NAME: other })),
        setVariable("state", mesh("status")),
        setVariable("people", mesh("memberCount")),
      ),
    ],
    [whenReceived("go"), changeVariable("heard", 1)],
    [mesh("whenEvent", { EVENT: "chat" }), setVariable("event", mesh("lastPayload")), setVariable("sender", mesh("lastSender"))],
    [whenReceived(`talk ${name}`), mesh("send", { EVENT: "chat", PAYLOAD: `from ${name}` })],
    [whenReceived(`share ${name}`), mesh("share", { NAME: name, VALUE: `shared by ${name}` })],
  ],
});

/** All show what the one before them has, and each broadcast has arrived once. */
async function agree(value, heard) {
  const [a, b, c, d] = players;
  for (const one of [a, b, d]) await one.set(names.get(one), `${value} of ${names.get(one)}`);
  for (const [one, other] of [[a, "d"], [b, "a"], [c, "b"]]) await one.shows("seen", `${value} of ${other}`);
  await a.broadcasts("go");
  for (const one of [a, b, d]) await one.shows("heard", heard);
  await c.shows("heard", 0); // a sandbox keeps broadcasts out
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  for (const one of [a, b, d]) assert.equal(Number(await one.variable("heard")), heard, `${names.get(one)} heard`);
}

const names = new Map();

describe("the extension", () => {
  before(async () => {
    server = await startServer();
    relay = await openRelay(new URL("/", server.url).href);
    const response = await fetch(server.url, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": server.apiKey },
      body: JSON.stringify({ query: CREATE }),
    });
    code = (await response.json()).data.createGroup.joinCode;
  });

  after(async () => {
    for (const player of players) await player.close();
    await relay?.close();
    await server?.stop();
  });

  test("projects of three kinds of editors play in one group", async () => {
    const extensions = [extension("mesh.js")];
    const link = new URL(`join/${code}`, relay.url).href;
    players = await Promise.all([
      play(project("a", "d", link), { extensions, baked: true }, { locale: "ja-JP" }),
      play(project("b", "a"), { extensions }),
      play(project("c", "b"), { extensions, sandboxed: true }),
      playHeadless(project("d", "c", link), { extension: extension("mesh.mjs"), locale: "ja-Hira" }),
    ]);
    for (const [index, name] of ["a", "b", "c", "d"].entries()) names.set(players[index], name);
    const [a, b, c, d] = players;
    // Xcratch imports the module, from any origin.
    const imported = await b.page.evaluate(async (url) => (await import(url)).entry.name, extension("mesh.mjs"));
    assert.equal(imported, "Mesh v2");
    await a.shows("state", "接続中");
    await b.shows("state", "connected");
    await c.shows("state", "connected");
    for (const one of players) await one.shows("people", 4);
    await agree("first", 1);
    // What a sandbox allows: values and events by blocks.
    await c.broadcasts("share c");
    await d.shows("seen", "shared by c");
    await c.broadcasts("talk c");
    for (const one of [a, b, d]) await one.shows("event", "from c");
    await b.broadcasts("talk b");
    for (const one of [a, c, d]) await one.shows("event", "from b");
    await c.shows("sender", "b");
  });

  test("they play on after their sockets were cut, and after the server's restart", async () => {
    assert.ok(relay.cut() > 0);
    await agree("second", 2);
    await server.restart();
    await agree("third", 3);
  });

  test("what strangers send stays text, and a flood of it leaves the projects playing", async () => {
    const stranger = new Member(server.url, server.apiKey, code, "stranger");
    await stranger.joins();
    for (const text of ["__proto__", "constructor", "<img src=x onerror=alert(1)>", "%0", "☁ own"]) {
      assert.equal(typeof (await stranger.reports(text, text)), "object");
      assert.equal(typeof (await stranger.fires(text, text)), "object");
    }
    const big = "x".repeat(10_000);
    await Promise.all(Array.from({ length: 60 }, (_, n) => stranger.fires(`flood ${n % 3}`, big)));
    await agree("fourth", 4);
    assert.equal(await players[0].variable("☁ own"), 1);
  });
});

// What a session receives when connections break and calls fail at the worst moment.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";
import { Mesh } from "../../../clients/js/dist/index.js";
import { openFilter } from "../common/filter.mjs";
import { startServer } from "../common/server.mjs";

/** Longer than the first pause before a link that broke is opened again. */
const RETRIED_MS = 1_200;

let server;
let teacher;
let filter;
before(async () => {
  server = await startServer();
  teacher = await new Mesh({ url: server.url, key: server.apiKey, WebSocket }).host();
  filter = await openFilter(server.url);
});
after(async () => {
  await teacher.leave();
  filter.close();
  await server.stop();
});

/** A member, and the names of the events and errors that it receives. */
async function join(options) {
  const session = await new Mesh({ url: filter.url, key: server.apiKey, ...options }).join(teacher.code);
  const events = [];
  const errors = [];
  session.on("event", ({ name }) => events.push(name));
  session.on("error", ({ message }) => errors.push(message));
  return { session, events, errors };
}

async function until(check, what) {
  for (const deadline = Date.now() + 10_000; !check(); await sleep(5)) {
    if (Date.now() > deadline) assert.fail(`not ${what}`);
  }
}

/** A class of WebSockets, and those of it that are open. */
function counted() {
  const all = [];
  class Counted extends WebSocket {
    constructor(...args) {
      super(...args);
      all.push(this);
    }
  }
  return { Counted, open: () => all.filter(({ readyState }) => readyState <= WebSocket.OPEN).length };
}

const isPoll = (body) => body.includes("pollGroupData");

for (const when of ["the pause before the next try", "the probe"]) {
  test(`a WebSocket that is ready in ${when} of a broken stream is the only connection`, async () => {
    filter.websocket = "refuse";
    const { Counted, open } = counted();
    let isHeld = false;
    const held = async (url, request) => {
      if (isPoll(request.body)) await until(() => !isHeld, "released");
      return fetch(url, request);
    };
    const { session, events } = await join({ WebSocket: Counted, fetch: held, tryBetterAfterMs: 50 });
    assert.equal(session.connection, "sse");
    isHeld = when === "the probe";
    filter.websocket = "pass";
    filter.cut();
    await until(() => session.connection === "websocket", "on a WebSocket");
    isHeld = false;
    await sleep(RETRIED_MS);
    assert.deepEqual([open(), session.connection], [1, "websocket"]);
    await teacher.fire("once");
    await until(() => events.length > 0, "received");
    await session.leave();
    await until(() => open() === 0, "closed");
    assert.deepEqual(events, ["once"]);
  });
}

const refused = () => new Response('{"data": null, "errors": [{"errorType": "InternalFailure", "message": "later"}]}');
const unreached = () => Promise.reject(new TypeError("the network is down"));

/**
 * The events and errors of a member whose stream breaks before "two" and cannot resume. What it misses it reads
 * with polls, which are answered as given, and then by the server; "three" arrives when the first was answered.
 */
async function afterGap(answers) {
  let isBroken = false;
  let isBack = false;
  let polls = 0;
  const faulty = async (url, request) => {
    // The first poll is the probe of the broken stream.
    if (isPoll(request.body)) return (polls++ > 0 && answers[polls - 2]?.()) || fetch(url, request);
    if (!isBroken || !String(url).endsWith("/stream")) return fetch(url, request);
    await until(() => isBack, "back");
    return fetch(url, { ...request, body: JSON.stringify({ ...JSON.parse(request.body), extensions: { mesh: {} } }) });
  };
  const { session, events, errors } = await join({ WebSocket: null, fetch: faulty });
  await teacher.fire("one");
  await until(() => events.length === 1, "received");
  isBroken = true;
  filter.cut();
  await until(() => polls > 0, "probed");
  await sleep(100); // its answer
  await teacher.fire("two");
  isBack = true;
  await until(() => polls > 1, "caught up");
  await teacher.fire("three");
  await until(() => events.at(-1) === "three", "received");
  await session.leave();
  return { events, errors };
}

test("missed events are read again when polls fail, and come before later ones", async () => {
  const { events, errors } = await afterGap([unreached, refused]);
  assert.deepEqual([events, errors], [["one", "two", "three"], ["later"]]);
});

test("missed events that cannot be read are an error", async (context) => {
  const { setTimeout } = globalThis;
  context.mock.method(globalThis, "setTimeout", (run, ms, ...rest) => setTimeout(run, ms / 10, ...rest));
  const { events, errors } = await afterGap(Array(5).fill(unreached));
  assert.deepEqual(events, ["one", "three"]);
  assert.equal(errors.length, 1);
  assert.match(errors[0], /^Events may be missing: .*the network is down/);
});

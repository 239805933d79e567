// The client of clients/js in Node, against a server and through networks with faults.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { buildSchema, parse, validate } from "graphql";
import WebSocket from "ws";
import { Mesh, MeshError, NetworkError } from "../../../clients/js/dist/index.js";
import { openFilter } from "../common/filter.mjs";
import { openRelay } from "../common/relay.mjs";
import { startServer } from "../common/server.mjs";

let server;
const sessions = [];

before(async () => {
  server = await startServer();
});

after(async () => {
  await Promise.all(sessions.map((session) => session.leave()));
  await server.stop();
});

const mesh = (options) => new Mesh({ url: server.url, key: server.apiKey, WebSocket, ...options });

async function host(options) {
  const session = await mesh(options).host();
  sessions.push(session);
  return session;
}

async function join(code, options, self) {
  const session = await mesh(options).join(code, self);
  sessions.push(session);
  return session;
}

/** All events that a session receives, as `name payload`. */
function received(session) {
  const events = [];
  session.on("event", ({ name, payload }) => events.push(`${name} ${payload}`.trim()));
  return events;
}

async function until(check, what, patience = 10_000) {
  const deadline = Date.now() + patience;
  while (!check()) {
    if (Date.now() > deadline) assert.fail(`${what()} after ${patience} ms`);
    await sleep(5);
  }
}

/** Fires numbered events until the answer is called, which answers how many. */
function fireOn(session, name) {
  let isGoing = true;
  const done = (async () => {
    let count = 0;
    for (; isGoing; count += 1) {
      session.fire(name, count);
      await sleep(20);
    }
    return count;
  })();
  return () => {
    isGoing = false;
    return done;
  };
}

const numbered = (name, count) => Array.from({ length: count }, (_, n) => `${name} ${n}`);

test("every call is of the schema", () => {
  const schema = buildSchema(
    `directive @aws_subscribe(mutations: [String!]!) on FIELD_DEFINITION\n${readFileSync(new URL("../../../schema/schema.graphql", import.meta.url), "utf8")}`,
  );
  const documents = [];
  const fetch = async (_, { body }) => {
    documents.push(JSON.parse(body).query);
    return new Response('{"data": {}}');
  };
  const caller = mesh({ fetch });
  const fields = [schema.getQueryType(), schema.getMutationType()].flatMap((type) => Object.values(type.getFields()));
  return Promise.all(fields.map(({ name }) => caller.call(name, {}))).then(() => {
    assert.equal(documents.length, fields.length);
    for (const [n, document] of documents.entries()) {
      assert.deepEqual(validate(schema, parse(document)), [], document);
      for (const { name } of fields[n].args) assert.match(document, new RegExp(`\\$${name}: `), document);
    }
  });
});

test("a class shares values and events, all in one order", async () => {
  const teacher = await host();
  const pupils = await Promise.all(["ねこ", "いぬ"].map((nickname) => join(teacher.code, {}, { nickname })));
  const slow = await join(teacher.code, { WebSocket: null });
  assert.deepEqual([teacher.connection, slow.connection], ["websocket", "sse"]);
  const all = [teacher, ...pupils, slow];
  const logs = all.map(received);
  const seen = [];
  teacher.on("value", ({ key, value, nodeId }) => seen.push([key, value, nodeId]));

  for (let n = 0; n <= 50; n += 1) pupils[0].set("score", n);
  await pupils[0].fire("buzz", 1);
  assert.equal(teacher.value("score"), "50");
  await Promise.all([pupils[1].fire("buzz", 2), teacher.fire("start"), slow.fire("buzz", 3)]);
  await until(() => logs.every(({ length }) => length === 4), () => JSON.stringify(logs));
  for (const log of logs) assert.deepEqual(log, logs[0]);
  assert.equal(logs[0][0], "buzz 1");
  assert.deepEqual(seen.at(-1), ["score", "50", pupils[0].nodeId]);
  assert.ok(seen.length <= 3, `${seen.length} reports of 51 values`);
  for (const session of all) assert.equal(session.value("score", pupils[0].nodeId), "50");
  await teacher.readMembers();
  assert.deepEqual(teacher.members.map(({ nickname }) => nickname).filter(Boolean).sort(), ["いぬ", "ねこ"]);
  assert.equal(teacher.nameOf(pupils[0].nodeId), "ねこ");
  assert.ok((await teacher.ping()) < 5_000);

  const endings = all.map((session) => new Promise((resolve) => session.on("end", resolve)));
  await teacher.remove(pupils[0].nodeId);
  await assert.rejects(pupils[0].fire("buzz"), { name: "MeshError", type: "Unauthorized" });
  await teacher.pause(30);
  await assert.rejects(pupils[1].fire("buzz"), { type: "Paused" });
  await teacher.leave();
  await assert.rejects(slow.fire("buzz"), { type: "GroupNotFound" });
  assert.deepEqual(await Promise.all(endings), ["left", "removed", "over", "over"]);
});

test("refusals have a type, and a server that cannot be reached is a NetworkError", async () => {
  await assert.rejects(mesh().join("000000"), { name: "MeshError", type: "GroupNotFound" });
  await assert.rejects(mesh({ key: "no key" }).host(), (error) => error instanceof MeshError);
  await assert.rejects(mesh({ url: "http://127.0.0.1:9/" }).host(), (error) => error instanceof NetworkError);
});

test("a call that comes too fast waits and is sent again", async () => {
  let calls = 0;
  const refusal = { errorType: "RateLimited", message: "wait", extensions: { retryAfterMs: 20 } };
  const answers = [{ data: null, errors: [refusal] }, { data: null, errors: [refusal] }, { data: { createDomain: "d" } }];
  const fetch = async () => new Response(JSON.stringify(answers[calls++]));
  const began = Date.now();
  assert.equal(await mesh({ fetch }).call("createDomain"), "d");
  assert.ok(Date.now() - began >= 40 && calls === 3);
});

test("what one value or event is refused for costs no other", async () => {
  const teacher = await host();
  const log = received(teacher);
  const errors = [];
  teacher.on("error", ({ type }) => errors.push(type));
  teacher.set("before", 1);
  teacher.set("large", "x".repeat(70_000));
  teacher.set("after", 2);
  const fired = [teacher.fire("a"), teacher.fire("x".repeat(300_000)), teacher.fire("b")];
  const results = await Promise.allSettled(fired);
  assert.deepEqual(results.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  await until(() => log.length === 2 && errors.length === 2, () => JSON.stringify([log, errors]));
  assert.deepEqual([...teacher.values.keys()].sort(), ["after", "before"]);
});

test("a program's own mistake in a handler breaks no connection", async (context) => {
  const teacher = await host();
  const log = received(teacher);
  const ways = [];
  teacher.on("connection", (connection) => ways.push(connection));
  // The test runner would take the mistake for its own.
  const { setTimeout } = globalThis;
  const thrown = [];
  context.mock.method(globalThis, "setTimeout", (run, ...rest) => (rest.length > 0 ? setTimeout(run, ...rest) : thrown.push(run)));
  teacher.on("event", () => {
    throw new Error("a mistake");
  });
  await teacher.fire("a");
  await teacher.fire("b");
  await until(() => log.length === 2, () => log);
  assert.deepEqual(ways, []);
  for (const run of thrown) assert.throws(run, { message: "a mistake" });
});

test("a restart of the server is survived, on every way", async () => {
  const teacher = await host();
  const pupils = await Promise.all([join(teacher.code), join(teacher.code, { WebSocket: null })]);
  const all = [teacher, ...pupils];
  const logs = all.map(received);
  await teacher.fire("before");
  // A restart loses what is queued.
  await until(() => logs.every(({ length }) => length === 1), () => JSON.stringify(logs));
  const restarted = server.restart();
  await sleep(50);
  pupils[0].set("score", 7);
  await pupils[1].fire("during");
  await restarted;
  await until(() => all.every(({ connection }) => connection !== "connecting"), () => all.map(({ connection }) => connection));
  await until(() => all.every((session) => session.value("score") === "7"), () => all.map((session) => session.value("score")));
  await teacher.fire("after");
  await until(() => logs.every((log) => log.at(-1) === "after"), () => JSON.stringify(logs));
  for (const log of logs) assert.deepEqual(log.filter((name) => name !== "during"), ["before", "after"]);
});

test("a cut connection is resumed: every event comes once, in order", async () => {
  const relay = await openRelay(server.url);
  const teacher = await host();
  const pupil = await join(teacher.code, { url: relay.url });
  const log = received(pupil);
  const stop = fireOn(teacher, "n");
  for (let cuts = 0; cuts < 3; cuts += 1) {
    await sleep(400);
    assert.ok(relay.cut() > 0);
    await until(() => pupil.connection === "connecting", () => pupil.connection);
    await until(() => pupil.connection === "websocket", () => pupil.connection);
  }
  const count = await stop();
  await until(() => log.length >= count, () => `${log.length} of ${count} events`);
  assert.deepEqual(log, numbered("n", count));
  await pupil.leave();
  await relay.close();
});

test("a way that is blocked gives way to the next, and comes back: every event comes once, in order", async () => {
  const filter = await openFilter(server.url);
  const teacher = await host();
  const pupil = await join(teacher.code, { url: filter.url, tryBetterAfterMs: 300 });
  const ways = [];
  pupil.on("connection", (connection) => ways.push(connection));
  const log = received(pupil);
  const stop = fireOn(teacher, "n");
  const moves = async (rules, way) => {
    await sleep(300);
    Object.assign(filter, rules);
    if (way !== "websocket") filter.cut();
    await until(() => pupil.connection === way, () => `${pupil.connection}, not ${way},`, 20_000);
  };
  await moves({ websocket: "refuse" }, "sse");
  filter.cut();
  await moves({}, "sse");
  await moves({ stream: "buffer" }, "polling");
  await moves({ stream: "pass" }, "sse");
  await moves({ websocket: "pass" }, "websocket");
  await sleep(300);
  const count = await stop();
  await until(() => log.length >= count, () => `${log.length} of ${count} events`);
  assert.deepEqual(log, numbered("n", count));
  const used = ways.filter((way, n) => way !== "connecting" && way !== ways[n - 2]);
  assert.deepEqual(used, ["sse", "polling", "sse", "websocket"]);
  await pupil.leave();
  filter.close();
});

// Every kind of client in one lesson of the teacher's page: a TurboWarp project with cloud variables,
// one with the extension, a JavaScript program behind a filter of WebSockets, and a Smalruby editor
// that polls. Each value and event reaches all, in one order, also after every connection was
// cut and after the server was restarted.
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { openFilter } from "../../spec/clients/common/filter.mjs";
import { startServer } from "../../spec/clients/common/server.mjs";
import { Editor } from "../../spec/clients/smalruby/editor.mjs";
import { TEACHER_KEY, environment } from "./environment.mjs";
import { play } from "./scratch/player.mjs";
import { block, forever, setVariable, valueOf, whenFlag, whenReceived } from "./scratch/project.mjs";

const CLIENT = join(dirname(fileURLToPath(import.meta.url)), "../../clients/js/src/index.ts");
/** Events that each of three fires at a time; cloud variables have no events. */
const EVENTS = 3;
const ROUNDS = ["first", "cut", "restarted"];
const SENDERS = ["blocks", "program", "smalruby"];
const PLAYERS = ["cloud", ...SENDERS];

/** The names of a sender's events in a round: the editor sends no name twice in a batch. */
const eventsOf = (sender, round) => Array.from({ length: EVENTS }, (_, n) => `${sender} ${round} ${n}`);

/** What a player shares in a round. The servers of cloud variables take numbers alone. */
const valueOfRound = (name, round) => (name === "cloud" ? `${ROUNDS.indexOf(round) + 1}.5` : `${round} of ${name}`);

const opened = [];
after(async () => {
  for (const it of opened.reverse()) await it.close();
});
const open = (it) => (opened.push(it), it);

async function until(check, what) {
  const deadline = Date.now() + 20_000;
  while (!(await check())) {
    if (Date.now() > deadline) assert.fail(await what());
    await sleep(50);
  }
}

/** A project with cloud variables: it needs no extension. */
async function playCloud(url, code) {
  const variables = Object.fromEntries(PLAYERS.map((name) => [`☁ ${name}`, ""]));
  const scripts = ROUNDS.map((round) => [whenReceived(round), setVariable("☁ cloud", valueOfRound("cloud", round))]);
  const cloudHost = new URL(`cloud/${code}`, url).href.replace("http", "ws");
  const player = open(await play({ variables, scripts }, { cloudHost, projectId: "1" }));
  return {
    set: (_, round) => player.broadcasts(round),
    read: (name) => player.variable(`☁ ${name}`),
  };
}

/** A project with the extension: variables and broadcasts are shared by themselves. */
async function playBlocks(url, code) {
  const mesh = (opcode, inputs) => block(`meshv2_${opcode}`, inputs);
  const others = PLAYERS.filter((name) => name !== "blocks");
  const events = SENDERS.flatMap((sender) => ROUNDS.flatMap((round) => eventsOf(sender, round)));
  const joined = (name) => block("operator_join", { STRING1: valueOf("log"), STRING2: `${name},` });
  const extension = new URL("extension/mesh.js", url).href;
  const player = open(
    await play(
      {
        variables: { blocks: "", log: "", ...Object.fromEntries(others.map((name) => [`seen ${name}`, ""])) },
        extensions: { meshv2: extension },
        scripts: [
          [whenFlag(), mesh("join", { CODE: code, NAME: "blocks" })],
          [whenFlag(), forever(...others.map((name) => setVariable(`seen ${name}`, mesh("valueOf", { NAME: name }))))],
          ...events.map((name) => [whenReceived(name), setVariable("log", joined(name))]),
        ],
      },
      { extensions: [extension] },
    ),
  );
  return {
    set: (value) => player.set("blocks", value),
    read: (name) => player.variable(name === "blocks" ? name : `seen ${name}`),
    fire: (name) => player.broadcasts(name),
    // Its own broadcasts start its own scripts at once.
    log: async () => String(await player.variable("log")).split(",").filter((name) => name && !name.startsWith("blocks ")),
  };
}

/** A program in a page, with the client of clients/js. */
async function playProgram(url, apiKey, code) {
  const { browser } = await environment();
  const context = open(await browser.newContext());
  const page = await context.newPage();
  const bundle = await build({ entryPoints: [CLIENT], bundle: true, format: "iife", globalName: "client", write: false });
  await page.goto(new URL("healthz", url).href);
  await page.evaluate(bundle.outputFiles[0].text + "; globalThis.client = client");
  await page.evaluate(async ([url, key, code]) => {
    globalThis.session = await new globalThis.client.Mesh({ url, key }).join(code, { nickname: "program" });
    globalThis.events = [];
    globalThis.session.on("event", ({ name }) => globalThis.events.push(name));
  }, [url, apiKey, code]);
  return {
    set: (value) => page.evaluate((to) => globalThis.session.set("program", to), value),
    read: (name) => page.evaluate((it) => globalThis.session.value(it) ?? "", name),
    fire: (name) => page.evaluate((it) => void globalThis.session.fire(it), name),
    log: () => page.evaluate(() => globalThis.events),
    connection: () => page.evaluate(() => globalThis.session.connection),
  };
}

/** The scripted Smalruby editor, which polls. */
async function playSmalruby(url, server) {
  const intervals = { report: 250, events: 250, sync: 1_000 };
  const editor = open(new Editor(server, { url: new URL("graphql", url).href, forcePolling: true, intervals }));
  const [found] = await editor.scan();
  await editor.join(found);
  return {
    set: (value) => void editor.set("smalruby", value),
    read: (name) => editor.read(name),
    fire: (name) => editor.broadcast(name),
    log: () => editor.replayed.map(({ name }) => name),
  };
}

/** The teacher's page: its lesson's code, its table of values and its list of events. */
async function teach(base) {
  const found = await environment();
  const teacher = open(await found.open({ base }));
  const { page } = teacher;
  await teacher.goto("teach");
  await page.locator("#key").fill(TEACHER_KEY);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "45 min" }).click();
  const code = await page.locator(".digits").innerText();
  await page.getByRole("button", { name: "Show the class" }).click();
  return {
    code,
    // A row has who wrote it, the variable, and its value; one of the members has other cells.
    read: async (name) => {
      const rows = await page.getByRole("row").all();
      const cells = await Promise.all(rows.map((row) => row.getByRole("cell").allInnerTexts()));
      return cells.find(([, key]) => key === name)?.[2];
    },
    // The newest is first.
    log: async () => {
      const lines = await page.locator("ol.log li").allInnerTexts();
      const names = lines.map((line) => line.match(/\w+ (first|cut|restarted) \d/g)?.at(-1));
      return names.filter(Boolean).reverse();
    },
  };
}

test("all kinds of clients play in one lesson", async () => {
  const server = await startServer({ keys: `staff teacher ${TEACHER_KEY}\n` });
  open({ close: server.stop });
  const base = new URL("/", server.url).href;
  const links = [await openFilter(base), await openFilter(base, { websocket: "refuse" })].map(open);
  const [way, filtered] = links.map(({ url }) => url);

  const teacher = await teach(way);
  const { code } = teacher;
  const players = {
    cloud: await playCloud(way, code),
    blocks: await playBlocks(way, code),
    program: await playProgram(filtered, server.apiKey, code),
    smalruby: await playSmalruby(way, server),
  };
  assert.equal(await players.program.connection(), "sse");

  /** Each sets its value; all others and the teacher have it. */
  const share = async (round) => {
    for (const [name, player] of Object.entries(players)) await player.set(valueOfRound(name, round), round);
    for (const [reader, { read }] of Object.entries({ ...players, teacher })) {
      for (const name of PLAYERS) {
        const has = async () => String(await read(name)) === valueOfRound(name, round);
        await until(has, async () => `${name} is ${JSON.stringify(await read(name))} at ${reader} (${round})`);
      }
    }
  };

  /** Three fire at the same time; all have the order that the teacher has. */
  const fire = async (round) => {
    const sent = SENDERS.flatMap((sender) => eventsOf(sender, round));
    for (let n = 0; n < EVENTS; n += 1) {
      for (const sender of SENDERS) await players[sender].fire(eventsOf(sender, round)[n]);
    }
    const ofRound = async ({ log }) => (await log()).filter((name) => sent.includes(name));
    const isWhole = async () => (await ofRound(teacher)).length >= sent.length;
    await until(isWhole, async () => `the teacher has ${await ofRound(teacher)} (${round})`);
    const order = await ofRound(teacher);
    assert.deepEqual(order.toSorted(), sent.toSorted(), `at the teacher (${round})`);
    for (const reader of SENDERS) {
      // A project does not receive its own; the program does.
      const wanted = order.filter((name) => reader === "program" || !name.startsWith(reader));
      const isThere = async () => (await ofRound(players[reader])).length >= wanted.length;
      await until(isThere, async () => `${reader} has ${await ofRound(players[reader])} (${round})`);
      assert.deepEqual(await ofRound(players[reader]), wanted, `at ${reader} (${round})`);
    }
  };

  const breaks = {
    first: () => {},
    cut: () => links.forEach((link) => link.cut()),
    restarted: () => server.restart(),
  };
  for (const round of ROUNDS) {
    await breaks[round]();
    await share(round);
    await fire(round);
  }
  assert.equal(await players.program.connection(), "sse");
});

// The Scratch editor in the box: two of them, each with a project of its own, join a lesson by themselves and play.
// Not in the gate: it needs the folder that `node editor/build.mjs` makes (EDITOR, or target/editor/public).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { startServer } from "../../spec/clients/common/server.mjs";
import { block, changeVariable, forever, sb3, setVariable, whenFlag, whenReceived } from "./scratch/project.mjs";

const { CHROMIUM = "/usr/bin/chromium", SHOTS, EDITOR } = process.env;
const BUILT = fileURLToPath(new URL("../../target/editor/public", import.meta.url));
const WAIT_MS = 60_000;
const CREATE = `mutation { createGroup(
  name: "lesson", nameIsJoinCode: true, hostId: "teacher", domain: "editor", useWebSocket: true
) { joinCode } }`;

let server, browser, code, address;
const editors = [];

before(async () => {
  const folder = EDITOR ?? BUILT;
  if (!EDITOR) rmSync(BUILT, { recursive: true, force: true });
  if (!existsSync(folder)) {
    execFileSync(process.execPath, [fileURLToPath(new URL("../editor/build.mjs", import.meta.url)), folder], { stdio: "inherit" });
  }
  const host = `127.0.0.1:${await freePort()}`;
  address = `http://${host}/`;
  server = await startServer({ flags: ["--public", folder, "--public-listen", host] });
  const headers = { "content-type": "application/json", "x-api-key": server.apiKey };
  const answer = await fetch(server.url, { method: "POST", headers, body: JSON.stringify({ query: CREATE }) });
  code = (await answer.json()).data.createGroup.joinCode;
  const args = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"];
  browser = await chromium.launch({ executablePath: CHROMIUM, args });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A port that stays the same when the server is started again. */
async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

class Opened {
  problems = [];

  constructor(page) {
    this.page = page;
    page.setDefaultTimeout(WAIT_MS);
    page.on("pageerror", (error) => this.problems.push(String(error)));
    page.on("request", (request) => {
      const { host, protocol } = new URL(request.url());
      if (/^https?:$/.test(protocol) && host !== new URL(address).host) this.problems.push(`asks ${request.url()}`);
    });
  }

  /** Opens the editor with a project, and presses the flag. */
  async starts(name, definition) {
    await this.page.goto(new URL(`editor/?code=${code}&name=${name}`, address).href);
    const isReady = () => globalThis.vm?.runtime.targets.length > 0 && globalThis.vm.extensionManager.isExtensionLoaded("meshv2");
    await this.page.waitForFunction(isReady);
    const bytes = [...(await sb3(definition))];
    await this.page.evaluate((it) => globalThis.vm.loadProject(new Uint8Array(it).buffer), bytes);
    await this.page.evaluate(() => globalThis.vm.greenFlag());
  }

  variable = (name) =>
    this.page.evaluate((it) => globalThis.vm.runtime.getTargetForStage().lookupVariableByNameAndType(it, "").value, name);

  async shows(name, value) {
    let shown;
    for (const deadline = Date.now() + WAIT_MS; Date.now() < deadline; await sleep(50)) {
      shown = await this.variable(name);
      if (String(shown) === String(value)) return;
    }
    assert.fail(`${name} is ${JSON.stringify(shown)}, not ${JSON.stringify(value)}`);
  }

  broadcasts = (name) =>
    this.page.evaluate((it) => {
      globalThis.vm.runtime.startHats("event_whenbroadcastreceived", { BROADCAST_OPTION: it });
    }, name);
}

const mesh = (opcode, inputs) => block(`meshv2_${opcode}`, inputs);
/** Shares `own`, shows the other's value, and counts the broadcasts and events that arrive. */
const project = (own, other) => ({
  variables: { [own]: `value of ${own}`, seen: "", heard: 0, event: "", people: 0 },
  scripts: [
    [whenFlag(), forever(setVariable("seen", mesh("valueOf", { NAME: other })), setVariable("people", mesh("memberCount")))],
    [whenReceived("go"), changeVariable("heard", 1)],
    [whenReceived("talk"), mesh("send", { EVENT: "chat", PAYLOAD: `from ${own}` })],
    [mesh("whenEvent", { EVENT: "chat" }), setVariable("event", mesh("lastPayload"))],
  ],
});

test("two editors join by the address, with a project each", { timeout: 2 * WAIT_MS }, async () => {
  for (const [own, other] of [["a", "b"], ["b", "a"]]) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB" });
    const editor = new Opened(await context.newPage());
    await editor.starts(own, project(own, other));
    editors.push(editor);
  }
  for (const editor of editors) await editor.shows("people", 2);
});

test("a variable, a broadcast and an event cross both ways, and nothing asks another host", { timeout: 2 * WAIT_MS }, async () => {
  const [a, b] = editors;
  await a.shows("seen", "value of b");
  await b.shows("seen", "value of a");
  await a.broadcasts("go");
  for (const editor of editors) await editor.shows("heard", 1);
  await b.broadcasts("go");
  for (const editor of editors) await editor.shows("heard", 2);
  await a.broadcasts("talk");
  await b.shows("event", "from a");
  await b.broadcasts("talk");
  await a.shows("event", "from b");
  if (SHOTS) await a.page.screenshot({ path: `${SHOTS}/editor.png` });
  for (const editor of editors) assert.deepEqual(editor.problems, []);
});

test("they play on after the server's restart", { timeout: 2 * WAIT_MS }, async () => {
  const [a, b] = editors;
  await server.restart();
  await a.broadcasts("go");
  for (const editor of editors) await editor.shows("heard", 3);
  assert.deepEqual([a, b].flatMap(({ problems }) => problems), []);
});

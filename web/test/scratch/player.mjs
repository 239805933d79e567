// Plays Scratch projects in Chromium: packaged by the TurboWarp packager, each in a context of its
// own, on another origin than the server's.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import Packager from "@turbowarp/packager";
import { environment } from "../environment.mjs";
import { sb3 } from "./project.mjs";

const WAIT_MS = 20_000;
const LOOK_MS = 25;

const UNSANDBOXED = "getSandboxMode: () => 'unsandboxed'";

/**
 * Packages a project as one HTML page, which starts by itself. Cloud variables go to `cloudHost`;
 * `extensions` are addresses of custom extensions that the page loads when it is opened: unsandboxed,
 * or as the TurboWarp editor does with strangers' if `sandboxed`. `baked` puts them into the page, as the
 * packager does by itself.
 */
export async function packaged(
  definition,
  { cloudHost, projectId = "", username = "player", extensions = [], sandboxed = false, baked = false } = {},
) {
  const packager = new Packager.Packager();
  packager.project = await Packager.loadProject(await sb3(definition));
  const { options } = packager;
  Object.assign(options, { autoplay: true, username, projectId, extensions, bakeExtensions: baked });
  options.cloudVariables.mode = cloudHost ? "ws" : "";
  if (cloudHost) options.cloudVariables.cloudHost = cloudHost;
  const { data } = await packager.package();
  const html = Buffer.from(data).toString("utf8");
  if (!sandboxed) return html;
  assert.ok(html.includes(UNSANDBOXED), "the packager writes another page");
  return html.replace(UNSANDBOXED, "getSandboxMode: () => 'worker'");
}

/** Serves pages on an origin of its own. */
async function serve(html) {
  const server = createServer((_, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(html);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

/**
 * Opens the project in a context of its own, and waits until it runs. `settings` are those of
 * `packaged`; `context` has options of the browser's context.
 */
export async function play(definition, settings = {}, context = {}) {
  const { browser } = await environment();
  const page = await serve(await packaged(definition, settings));
  const opened = await browser.newContext({ locale: "en-GB", ...context });
  try {
    const player = new Player(await opened.newPage(), opened, page);
    await player.starts();
    return player;
  } catch (error) {
    await opened.close();
    page.close();
    throw error;
  }
}

/** A project that runs. */
export class Player {
  /** What the page reported as errors. */
  problems = [];
  #context;
  #served;

  constructor(page, context, served) {
    Object.assign(this, { page });
    this.#context = context;
    this.#served = served;
    page.on("pageerror", (error) => this.problems.push(String(error)));
  }

  async starts() {
    await this.page.goto(this.#served.url);
    const running = () => globalThis.scaffolding?.vm?.runtime.targets.length > 0;
    await this.page.waitForFunction(running, undefined, { timeout: WAIT_MS });
  }

  /** A global variable. */
  variable = (name) => this.page.evaluate((it) => globalThis.scaffolding.getVariable(it), name);

  set = (name, value) =>
    this.page.evaluate(([it, to]) => globalThis.scaffolding.setVariable(it, to), [name, value]);

  /** Starts the scripts that receive a broadcast, as a block in the project does. */
  broadcasts = (name) =>
    this.page.evaluate((it) => {
      const { runtime } = globalThis.scaffolding.vm;
      runtime.startHats("event_whenbroadcastreceived", { BROADCAST_OPTION: it });
    }, name);

  /** Waits until a global variable has this value. */
  async shows(name, value, ms = WAIT_MS) {
    const deadline = Date.now() + ms;
    let shown;
    do {
      shown = await this.variable(name);
      if (String(shown) === String(value)) return;
      await this.page.waitForTimeout(LOOK_MS);
    } while (Date.now() < deadline);
    assert.fail(`${name} is ${JSON.stringify(shown)}, not ${JSON.stringify(value)}`);
  }

  async close() {
    await this.#context.close();
    this.#served.close();
    assert.deepEqual(this.problems, []);
  }
}

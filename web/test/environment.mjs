// One server and one Chromium for the tests of all pages.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after } from "node:test";
import { chromium } from "playwright-core";
import { startServer } from "../../spec/clients/common/server.mjs";

const { CHROMIUM = "/usr/bin/chromium", SHOTS } = process.env;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const TEACHER_KEY = "da2-of-the-teacher-in-the-tests";

let started;

export const environment = () => (started ??= start());

after(async () => {
  const found = await started?.catch(() => {});
  await found?.browser.close();
  await found?.stop();
});

async function start() {
  assert.ok(existsSync(CHROMIUM), `no Chromium at ${CHROMIUM}: install it, or set CHROMIUM`);
  const server = await startServer({
    keys: `staff teacher ${TEACHER_KEY}\n`,
    log: "debug",
    flags: ["--erase-after", "2"],
  });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  const url = new URL("/", server.url).href;
  return {
    ...server,
    browser,
    url,
    /** `base` is another way to the server. */
    open: ({ base = url, ...options } = {}) => open(browser, base, options),
  };
}

/** Opens a page in a context of its own, and notes what it does that it should not. */
async function open(browser, url, options) {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const own = new URL(url).host;
  const problems = [];
  const note = (address) => {
    const { protocol, host } = new URL(address);
    if (protocol !== "data:" && protocol !== "blob:" && host !== own) problems.push(`asks ${address}`);
  };
  page.on("request", (request) => note(request.url()));
  page.on("websocket", (socket) => note(socket.url()));
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) problems.push(message.text());
  });
  return {
    page,
    problems,
    goto: (path) => page.goto(new URL(path, url).href),
    /** A picture of the page, if they are wanted. */
    shot: (name, fullPage = true) => SHOTS && page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage }),
    /** What axe-core finds to be serious or critical. */
    async isAccessible(what) {
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      const found = grave.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
      assert.deepEqual(found, [], what);
    },
    /** Closes it, if it asked no other host and reported no error. */
    async close() {
      await context.close();
      assert.deepEqual(problems, []);
    },
  };
}

// The client of clients/js in a browser, as the server gives it to pages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openFilter } from "../../spec/clients/common/filter.mjs";
import { environment } from "./environment.mjs";

/** A page whose `session` hosts a group, or joins that of a code; `log` has what it received. */
async function play({ open, url, apiKey }, base, code) {
  const it = await open({ base });
  await it.goto("");
  const joined = await it.page.evaluate(
    async ({ url, key, code }) => {
      const { Mesh } = await import(`${url}extension/client.mjs`);
      const mesh = new Mesh({ url, key });
      const session = await (code ? mesh.join(code, { nickname: "neko" }) : mesh.host());
      Object.assign(window, { session, log: [] });
      session.on("event", ({ name, payload }) => window.log.push(`${name} ${payload}`));
      return session.code;
    },
    { url: base ?? url, key: apiKey, code },
  );
  return { ...it, code: joined, run: (work) => it.page.evaluate(work), waits: (check) => it.page.waitForFunction(check) };
}

test("pages play by the client, and one goes on when its network blocks WebSockets", async () => {
  const found = await environment();
  const filter = await openFilter(found.url);
  const host = await play(found);
  const member = await play(found, filter.url, host.code);
  assert.equal(await member.run(() => session.connection), "websocket");
  await host.run(() => session.fire("start", "1"));
  filter.websocket = "refuse";
  filter.cut();
  await host.run(() => session.fire("start", "2"));
  await member.waits(() => session.connection === "sse" && log.length === 2);
  await member.run(() => {
    session.set("score", 7);
    return session.fire("buzz", "neko");
  });
  await host.waits(() => session.value("score") === "7" && log.length === 3);
  for (const page of [host, member]) assert.deepEqual(await page.run(() => log), ["start 1", "start 2", "buzz neko"]);
  await host.run(() => session.leave());
  await member.waits(() => session.ending === "over");
  for (const page of [host, member]) await page.close();
  filter.close();
});

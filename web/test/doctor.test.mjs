// The network check against the server itself, and through a network with a fault.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openFilter } from "../../spec/clients/common/filter.mjs";
import { environment } from "./environment.mjs";

/** What the page found, by name. */
async function check(it, query = "?pause=0.2") {
  await it.goto(`doctor${query}`);
  await it.page.locator("form button.main").click();
  await it.page.locator(".verdict").waitFor();
  const found = await it.page.locator(".findings li").evaluateAll((items) =>
    items.map(({ dataset }) => [dataset.finding, dataset.state]),
  );
  return { way: await it.page.locator(".verdict").getAttribute("data-way"), found: Object.fromEntries(found) };
}

const problems = (found) => Object.keys(found).filter((id) => ["warning", "blocked"].includes(found[id]));

test("a good network has no problem, and the letter names what to allow", async () => {
  const { open, url } = await environment();
  const it = await open({ viewport: { width: 1280, height: 900 } });
  await it.goto("");
  await it.page.getByRole("link", { name: "Check" }).click();
  await it.page.waitForURL("**/doctor");
  const { way, found } = await check(it);
  assert.equal(way, "websocket");
  assert.deepEqual(problems(found), []);
  for (const id of ["post-ok", "group-ok", "ws-ok", "poll-ok", "sse-ok", "clock-ok", "domain-ok", "secure-same", "proxy-none"]) {
    assert.ok(id in found, `${id} in ${Object.keys(found)}`);
  }
  const letter = await it.page.locator(".letter").innerText();
  assert.match(letter, new RegExp(`Host: 127.0.0.1, TCP port ${new URL(url).port}`));
  assert.match(letter, /nothing that is blocked/);
  await it.page.getByRole("button", { name: "Copy" }).click();
  await it.page.getByText(/^Copied$|text is selected/).waitFor();
  await it.isAccessible("doctor");
  await it.shot("doctor-en");
  await it.close();
});

test("a WebSocket whose messages are swallowed is named, and nothing else", async () => {
  const { open, url } = await environment();
  const filter = await openFilter(url, { websocket: "swallow" });
  try {
    const it = await open({ base: filter.url, locale: "ja-JP", viewport: { width: 1280, height: 900 } });
    const { way, found } = await check(it, "?pause=0.2&wait=4");
    assert.equal(way, "polling-by-hand");
    assert.deepEqual(problems(found), ["ws-swallowed"]);
    assert.match(await it.page.locator(".verdict").innerText(), /mesh_polling=1/);
    assert.match(await it.page.locator(".letter").innerText(), /ネットワークご担当者様/);
    await it.isAccessible("doctor with a problem");
    await it.shot("doctor", false);
    await it.page.setViewportSize({ width: 390, height: 844 });
    await it.page.getByRole("button", { name: "にほんご" }).click();
    await it.page.emulateMedia({ colorScheme: "dark" });
    const wider = await it.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `${wider} px wider than the screen`);
    await it.isAccessible("doctor on a phone");
    await it.shot("doctor-ja-hira-390-dark");
    await it.page.emulateMedia({ media: "print" });
    assert.ok(await it.page.locator(".letter").isVisible());
    assert.ok(!(await it.page.locator(".findings").isVisible()));
    await it.close();
  } finally {
    filter.close();
  }
});

test("a network that stops every request is named", async () => {
  const { open } = await environment();
  const it = await open();
  await it.page.route("**/graphql", (route) =>
    route.fulfill({ status: 503, contentType: "text/html", body: "<title>Blocked by policy</title>" }),
  );
  const { way, found } = await check(it);
  assert.equal(way, "none");
  assert.deepEqual(problems(found), ["post-filter"]);
  assert.match(await it.page.locator(".letter").innerText(), /Blocked by policy/);
  await it.close();
});

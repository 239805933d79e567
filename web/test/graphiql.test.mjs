// The GraphiQL page.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";
import { environment } from "./environment.mjs";

const domain = `browser-test-${randomUUID()}`;
const hostId = "host-1";
const nodeId = "node-1";

let opened;
let page;
let url;
let apiKey;
let groupId;

before(async () => {
  const found = await environment();
  ({ url, apiKey } = found);
  opened = await found.open({ viewport: { width: 1280, height: 800 } });
  page = opened.page;
});

/** Puts the text into an editor of the page as if it had been typed. */
async function fill(label, text) {
  await page.locator(`section[aria-label="${label}"]:visible .CodeMirror`).first().evaluate(
    (element, value) => element.CodeMirror.setValue(value),
    text,
  );
}

const variables = (values) => fill("Variables", JSON.stringify(values));

/** Waits until the variables of the tab hold these values. */
async function filled(values) {
  const editor = page.locator('section[aria-label="Variables"]:visible .CodeMirror').first();
  const deadline = Date.now() + 20_000;
  let shown = {};
  while (Date.now() < deadline) {
    shown = JSON.parse(await editor.evaluate((element) => element.CodeMirror.getValue()));
    if (Object.entries(values).every(([name, value]) => shown[name] === value)) return;
    await page.waitForTimeout(50);
  }
  assert.fail(`the variables are ${JSON.stringify(shown)}`);
}

const openTab = (name) => page.locator(".graphiql-tab-button").getByText(name, { exact: true }).click();
const run = () => page.getByRole("button", { name: /^Execute query/ }).click();

/** What the response pane shows, as soon as it passes the check. */
async function response(check) {
  const pane = page.locator(".result-window .CodeMirror");
  const deadline = Date.now() + 20_000;
  let text = "";
  while (Date.now() < deadline) {
    text = await pane.evaluate((element) => element.CodeMirror.getValue());
    if (check(text)) return text;
    await page.waitForTimeout(50);
  }
  assert.fail(`the response pane shows: ${text}`);
}

async function send(query, values) {
  const answer = await fetch(new URL("graphql", url), {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": apiKey },
    body: JSON.stringify({ query, variables: values }),
  });
  const result = await answer.json();
  assert.equal(result.errors, undefined, JSON.stringify(result.errors));
  return result.data;
}

const report = (value) =>
  send(
    `mutation ($groupId: ID!, $domain: String!, $nodeId: ID!, $data: [SensorDataInput!]!) {
      reportDataByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, data: $data) {
        groupId domain nodeStatus { nodeId groupId domain data { key value } timestamp }
      }
    }`,
    { groupId, domain, nodeId, data: [{ key: "temperature", value }] },
  );

test("a wrong key gets a hint, the right one the schema", async () => {
  const answer = await page.goto(new URL("graphql", url).href);
  assert.equal(answer.status(), 200);
  await page.getByRole("heading", { name: "Mesh v2" }).waitFor();

  const key = page.getByLabel("API key", { exact: true });
  await key.fill("not-a-key");
  await key.press("Enter");
  await page.getByRole("alert").getByText("Enter an API key of this server above").waitFor();

  await key.fill(apiKey);
  await key.press("Enter");
  await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
  await page.locator(".graphiql-plugin").getByText("Subscription", { exact: true }).waitFor();
  await page.getByText("Enter an API key of this server above").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Hide Documentation Explorer" }).click();
});

test("createGroup runs from its tab", async () => {
  await openTab("createGroup");
  await variables({ name: "From the browser", hostId, domain, useWebSocket: true });
  await run();
  const text = await response((shown) => shown.includes(`"createGroup"`));
  groupId = JSON.parse(text).data.createGroup.id;
  assert.ok(groupId);
});

test("joinGroup runs from its tab, which has the group's id", async () => {
  await openTab("joinGroup");
  await filled({ groupId, domain });
  await variables({ groupId, domain, nodeId, useWebSocket: true });
  await run();
  await response((shown) => shown.includes(`"joinGroup"`));
});

test("the subscription shows what a node reports", async () => {
  await openTab("onMessageInGroup");
  await variables({ groupId, domain });
  await run();
  await page.getByRole("status").getByText("connected", { exact: true }).waitFor();

  // The acknowledgement is the connection's, not the subscription's: that one
  // may still be on its way. Report until the first message is seen.
  const shown = response((text) => text.includes("21.25"));
  const reporting = setInterval(() => report("21.25").catch((error) => opened.problems.push(String(error))), 500);
  const message = JSON.parse(await shown.finally(() => clearInterval(reporting))).data.onMessageInGroup;
  assert.equal(message.groupId, groupId);
  assert.equal(message.nodeStatus.nodeId, nodeId);
  assert.deepEqual(message.nodeStatus.data, [{ key: "temperature", value: "21.25" }]);
});

test("it keeps listening while another tab sends", async () => {
  await openTab("reportDataByNode");
  await variables({ groupId, domain, nodeId, data: [{ key: "temperature", value: "22.75" }] });
  await run();
  await response((shown) => shown.includes("22.75"));
  await page.locator("[role=log] summary").getByText("22.75").waitFor();

  await openTab("renewHeartbeat");
  await filled({ groupId, domain, hostId });
  await run();
  await response((shown) => shown.includes(`"renewHeartbeat"`) && shown.includes(`"expiresAt"`));

  await openTab("dissolveGroup");
  await variables({ groupId, domain, hostId });
  await run();
  await page.locator("[role=log] summary").getByText("groupDissolve").waitFor();

  await page.getByRole("button", { name: "Stop onMessageInGroup" }).click();
  await page.getByRole("status").getByText("idle", { exact: true }).waitFor();
});

test("the page asks no other host and reports no error", async () => {
  await opened.close();
});

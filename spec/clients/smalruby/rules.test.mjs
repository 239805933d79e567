// What the editor makes of each error that the server gives for its operations: it must leave its group
// on those of the contract, and on no other; none may look like a blocked network.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { Agent, request } from "node:http";
import { json } from "node:stream/consumers";
import { after, before, test } from "node:test";
import * as documents from "../common/documents.mjs";
import { startServer } from "../common/server.mjs";
import { open } from "../aws-appsync/client.mjs";
import { availabilityUrl, digits, label, looksFiltered, reasonToLeave } from "./rules.mjs";

/** Rates that a connection reaches with a few calls. */
const FEW = ["--rate-node-reports", "1", "--rate-group-calls", "1", "--rate-steady", "1", "--rate-connection-own-calls", "1"];
const TOKEN = "token-of-the-host-in-the-tests";
const domain = `rules-${randomUUID()}`;
let server, client;

before(async () => {
  server = await startServer({ flags: FEW });
  client = open(server, server.url);
});
after(() => server.stop());

test("the address of the availability test is that of the server, or AppSync's", () => {
  assert.equal(availabilityUrl("https://mesh.school/graphql"), "wss://mesh.school/graphql/realtime");
  const appsync = "https://abc.appsync-api.ap-northeast-1.amazonaws.com/graphql";
  assert.equal(availabilityUrl(appsync), "wss://abc.appsync-realtime-api.ap-northeast-1.amazonaws.com/graphql");
});

test("a label has the hiragana of six digits, and gives them back", () => {
  assert.equal(label("0f3a1b99"), "いきたはしこ");
  assert.equal(digits("いきたはしこ"), "0f3a1b");
});

test("the editor leaves on the types and words of its list, and takes 503 for a blocked network", () => {
  const refused = (errorType, message = "no") => ({ message: `GraphQL error: ${message}`, graphQLErrors: [{ errorType, message }] });
  for (const type of ["GroupNotFound", "Unauthorized", "NodeNotFound"]) assert.equal(reasonToLeave(refused(type)), type);
  for (const word of ["Not Found", "has expired", "UNAUTHORIZED"]) {
    assert.equal(reasonToLeave(refused("ValidationError", word)), "expired");
  }
  assert.equal(reasonToLeave(refused("ValidationError")), undefined);
  assert.ok(looksFiltered({ networkError: { statusCode: 503 } }));
  assert.ok(looksFiltered(new Error("id 1503")));
  assert.ok(!looksFiltered(new Error("Network error: 500")));
});

async function refusal(document, variables, by = client) {
  const error = await by.send(document, variables).then(
    () => assert.fail(`accepted: ${document} ${JSON.stringify(variables)}`),
    (refused) => refused,
  );
  assert.ok(!looksFiltered(error), `looks like a blocked network: ${error.message}`);
  return error;
}

async function disconnects(type, document, variables) {
  assert.equal(reasonToLeave(await refusal(document, variables)), type);
}

/** The editor stays, and the type is one of those named in docs/api.md. */
async function stays(type, document, variables, by) {
  const error = await refusal(document, variables, by);
  assert.equal(error.graphQLErrors?.[0]?.errorType, type, error.message);
  assert.equal(reasonToLeave(error), undefined, error.message);
}

/** The operations on a group that the editor leaves after. */
const event = { eventName: "go", payload: "", firedAt: new Date().toISOString(), orderKey: "1" };
const OPERATIONS = [
  [documents.RENEW_HEARTBEAT, { hostId: "h" }],
  [documents.SEND_MEMBER_HEARTBEAT, { nodeId: "m" }],
  [documents.REPORT_DATA_BY_NODE, { nodeId: "m", data: [] }],
  [documents.FIRE_EVENTS_BY_NODE, { nodeId: "m", events: [event] }],
  [documents.RECORD_EVENTS_BY_NODE, { nodeId: "m", events: [event] }],
];

const made = (hostId) => ({ name: hostId, hostId, domain, useWebSocket: true });

async function aGroup(hostId) {
  const { createGroup } = await client.send(documents.CREATE_GROUP, made(hostId));
  return { groupId: createGroup.id, domain };
}

test("a group that is not there ends each operation of the session", async () => {
  for (const [document, own] of OPERATIONS) await disconnects("GroupNotFound", document, { groupId: "none", domain, ...own });
});

test("another host's heartbeat and a stranger's end the session", async () => {
  const group = await aGroup("h1");
  await disconnects("Unauthorized", documents.RENEW_HEARTBEAT, { ...group, hostId: "another" });
  await disconnects("NodeNotFound", documents.SEND_MEMBER_HEARTBEAT, { ...group, nodeId: "stranger" });
});

test("wrong arguments never do, whatever words they have", async () => {
  const group = await aGroup("h2");
  const words = ["not found#", "expired#", "Unauthorized#", "503#", "", "x".repeat(257), "a\u200bb"];
  for (const word of words) {
    for (const [document, own] of OPERATIONS) {
      const id = Object.keys(own)[0];
      await stays("ValidationError", document, { ...group, ...own, [id]: word });
      if (word) await stays("ValidationError", document, { ...group, ...own, groupId: word });
    }
    await stays("ValidationError", documents.CREATE_GROUP, { ...made("h"), domain: word });
    await stays("ValidationError", documents.JOIN_GROUP, { ...group, nodeId: word });
  }
  await stays("ValidationError", documents.SEARCH_GROUPS_BY_NAME_PREFIX, { namePrefix: "not found", limit: 10 });
  const long = (bytes) => ({ ...group, nodeId: "m", data: [{ key: "expired", value: "x".repeat(bytes) }] });
  await stays("ValidationError", documents.REPORT_DATA_BY_NODE, long(100_000));
  const huge = await refusal(documents.REPORT_DATA_BY_NODE, long(300_000));
  assert.equal(huge.networkError?.statusCode, 413);
  assert.equal(reasonToLeave(huge), undefined, huge.message);
  const many = Array.from({ length: 1_001 }, () => event);
  await stays("ValidationError", documents.FIRE_EVENTS_BY_NODE, { ...group, nodeId: "m", events: many });
});

test("a document or variable that is no GraphQL never does", async () => {
  const group = await aGroup("h3");
  const unknown = await refusal("mutation { nothing }", {});
  const missing = await refusal(documents.RENEW_HEARTBEAT, { ...group });
  const wrong = await refusal(documents.FIRE_EVENTS_BY_NODE, { ...group, nodeId: "m", events: [{ ...event, firedAt: "expired" }] });
  for (const error of [unknown, missing, wrong]) assert.equal(reasonToLeave(error), undefined, error.message);
});

test("a wrong key never does", async () => {
  const stranger = open({ apiKey: "not-a-key" }, server.url);
  for (const [document, own] of OPERATIONS) {
    const error = await refusal(document, { groupId: "g", domain, ...own }, stranger);
    assert.equal(error.networkError?.statusCode, 401);
    assert.equal(reasonToLeave(error), undefined, error.message);
  }
});

test("a locked or paused group keeps the session; a removed node's ends", async () => {
  const own = { hostId: "h4", hostToken: TOKEN };
  const create = `mutation ($name: String!, $hostId: ID!, $hostToken: String, $domain: String!) {
    createGroup(name: $name, hostId: $hostId, hostToken: $hostToken, domain: $domain, useWebSocket: true) { id }
  }`;
  const { createGroup } = await client.send(create, { ...own, name: "h4", domain });
  const group = { groupId: createGroup.id, domain };
  const controls = (call, type, selection = "") =>
    client.send(
      `mutation ($groupId: ID!, $domain: String!, $hostId: ID!, $hostToken: String!, $is: ${type}!) {
        ${call}: $is, groupId: $groupId, domain: $domain, hostId: $hostId, hostToken: $hostToken) ${selection}
      }`,
      { ...group, ...own, is: { Boolean: true, Int: 10, ID: "m" }[type] },
    );
  const report = { ...group, nodeId: "m", data: [] };
  await client.send(documents.JOIN_GROUP, { ...group, nodeId: "m", useWebSocket: true });
  await controls("lockGroup(locked", "Boolean", "{ id }");
  await stays("Locked", documents.JOIN_GROUP, { ...group, nodeId: "new", useWebSocket: true });
  await controls("pauseGroup(seconds", "Int", "{ id }");
  await stays("Paused", documents.REPORT_DATA_BY_NODE, report);
  await stays("Paused", documents.FIRE_EVENTS_BY_NODE, { ...group, nodeId: "m", events: [event] });
  await stays("Paused", documents.RECORD_EVENTS_BY_NODE, { ...group, nodeId: "m", events: [event] });
  await controls("removeNode(nodeId", "ID");
  await disconnects("Unauthorized", documents.REPORT_DATA_BY_NODE, report);
  // The host has a token, so the editor cannot beat for it.
  await disconnects("Unauthorized", documents.RENEW_HEARTBEAT, { ...group, hostId: "h4" });
});

test("too many reports on a connection keep the session", async () => {
  const group = await aGroup("h5");
  const variables = { ...group, nodeId: "m", data: [{ key: "k", value: "1" }] };
  // The library has no way to keep a connection in Node: a browser does.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const report = () => posts(agent, { query: documents.REPORT_DATA_BY_NODE, variables });
  const answers = await Promise.all(Array.from({ length: 20 }, report));
  agent.destroy();
  const refused = answers.flatMap(({ errors }) => errors ?? []);
  assert.ok(refused.length > 0, "none was refused");
  for (const { errorType, message } of refused) {
    assert.equal(errorType, "RateLimited");
    const error = { message: `GraphQL error: ${message}`, graphQLErrors: [{ errorType }] };
    assert.equal(reasonToLeave(error), undefined, message);
    assert.ok(!looksFiltered(error), message);
  }
});

function posts(agent, body) {
  const headers = { "content-type": "application/json", "x-api-key": server.apiKey };
  return new Promise((resolve, reject) => {
    const call = request(server.url, { method: "POST", headers, agent }, (answer) => resolve(json(answer)));
    call.on("error", reject).end(JSON.stringify(body));
  });
}

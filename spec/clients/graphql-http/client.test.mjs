// The audits of the GraphQL-over-HTTP specification, by its reference implementation. Whatever
// it does not find in order is named here with its reason.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { auditServer } from "graphql-http";
import { startServer } from "../common/server.mjs";

const STATUS = "AppSync answers a document that cannot run with 200, and its clients take any other for a broken network";
const DATA = "AppSync answers such a document with data: null";
const EXTENSIONS = "members of a request that AppSync does not know are ignored, whatever they are";

const EXCEPTIONS = {
  "22EB": "AppSync answers application/json to clients that accept the newer type as well",
  "865D": STATUS,
  "556A": STATUS,
  "51FE": STATUS,
  "74FF": STATUS,
  "86EE": STATUS,
  D586: DATA,
  "5E5B": DATA,
  "9C48": "AppSync runs mutations by GET, too",
  "58B0": EXTENSIONS,
  "58B1": EXTENSIONS,
  "58B2": EXTENSIONS,
  "58B3": EXTENSIONS,
};

let server, audits;

before(async () => {
  server = await startServer();
  const withKey = (url, init) => fetch(url, { ...init, headers: { ...init?.headers, "x-api-key": server.apiKey } });
  audits = await auditServer({ url: server.url, fetchFn: withKey });
});

after(() => server?.stop());

test("every audit but the named ones finds the endpoint in order", () => {
  const others = audits.filter(({ id, status }) => status !== "ok" && !(id in EXCEPTIONS));
  assert.deepEqual(others.map(({ id, name, reason }) => `${id} ${name}: ${reason}`), []);
  assert.ok(audits.filter(({ status }) => status === "ok").length >= 48, `of ${audits.length}`);
});

test("no exception is of what must be, and each is still needed", () => {
  for (const id of Object.keys(EXCEPTIONS)) {
    const audit = audits.find((one) => one.id === id);
    assert.ok(["warn", "notice"].includes(audit?.status), `${id} ${audit?.name}: ${audit?.status}`);
  }
});

// The file of the patch that is offered to the editor (examples/smalruby-mesh-endpoint.patch), alone.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

const PATCH = new URL("../../../examples/smalruby-mesh-endpoint.patch", import.meta.url);
const added = readFileSync(PATCH, "utf8").split("\n").filter((line) => /^\+(?!\+\+ )/.test(line));
const module = { exports: {} };
runInNewContext(added.map((line) => line.slice(1)).join("\n"), { module, URL });
const { meshServer, meshCode, realtimeUrl } = module.exports;

const BUILT = "https://mesh.example/graphql";
const chosen = (address, built = BUILT) => ({ ...meshServer(address, built, "built-key") });
const built = { endpoint: BUILT, apiKey: "built-key" };

test("without a parameter the build's server is used, with its key", () => {
  assert.deepEqual(chosen("https://editor.example/"), built);
});

test("an endpoint that is a path is the page's own server", () => {
  const own = { endpoint: "http://192.168.1.10:4001/graphql", apiKey: "built-key" };
  assert.deepEqual(chosen("http://192.168.1.10:4001/", "/graphql"), own);
  assert.deepEqual(chosen("http://192.168.1.10:4001/?mesh_endpoint=/graphql&mesh_key=k"), { ...own, apiKey: "k" });
});

test("another server gets its own key and never the build's", () => {
  const other = chosen("https://editor.example/?mesh_endpoint=https://school.example/graphql");
  assert.deepEqual(other, { endpoint: "https://school.example/graphql", apiKey: "" });
});

test("a page over https uses no other server over http, and nothing that is no web address", () => {
  for (const endpoint of ["http://school.example/graphql", "javascript:alert(1)", "http://", "data:text/plain,x"]) {
    assert.deepEqual(chosen(`https://editor.example/?mesh_endpoint=${encodeURIComponent(endpoint)}`), built, endpoint);
  }
});

test("a code has six digits", () => {
  assert.equal(meshCode("https://e/?mesh_code=0f3a1b"), "0f3a1b");
  for (const code of ["", "0F3A1B", "0f3a1", "0f3a1b2", "%23"]) assert.equal(meshCode(`https://e/?mesh_code=${code}`), null);
});

test("the address of WebSockets", () => {
  assert.equal(realtimeUrl("http://s:4001/graphql"), "ws://s:4001/graphql/realtime");
  assert.equal(realtimeUrl("https://s/graphql"), "wss://s/graphql/realtime");
  const appsync = "https://a.appsync-api.ap-northeast-1.amazonaws.com/graphql";
  assert.equal(realtimeUrl(appsync), "wss://a.appsync-realtime-api.ap-northeast-1.amazonaws.com/graphql");
});

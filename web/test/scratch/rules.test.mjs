// The extension's rules that need no editor: where the server is, what is shared, when hats start.
import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "esbuild";

const parts = ["server", "shared", "hats", "texts"].map((part) => `export * from "./extension/${part}";`);
const { outputFiles } = await build({
  stdin: { contents: parts.join("\n"), resolveDir: new URL("../..", import.meta.url).pathname },
  bundle: true,
  write: false,
  format: "esm",
});
const { AskedHats, SharedValues, VmHats, isBlocked, parsePlace, serverOfScript, textsOf } = await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString("base64")}`
);

const here = new URL("https://school.example/mesh/");
const event = (name, payload = "") => ({ name, payload, sender: "b" });

test("the server is that of the script, as each browser writes its trace", () => {
  for (const trace of [
    "Error\n    at https://school.example/mesh/extension/mesh.js:1:25\n    at x (https://turbowarp.org/js/vm.js:2:1)",
    "Error\n    at new A (https://school.example/mesh/extension/mesh.mjs:9:1)",
    "@https://school.example/mesh/extension/mesh.js:1:25\n",
    "global code@https://school.example/mesh/extension/mesh.js?v=2:1:25",
  ]) {
    assert.equal(serverOfScript(trace)?.href, here.href, trace);
  }
  assert.equal(serverOfScript("Error\n    at data:text/javascript;base64,eA==:1:1"), undefined);
});

test("a code is typed, or the link of a join page", () => {
  for (const text of ["0f3a1b", " いきたはしこ ", "ＯＦ３Ａ１Ｂ".replace("Ｏ", "０")]) {
    assert.deepEqual(parsePlace(text, here), { server: here, code: "0f3a1b" });
  }
  const other = { server: new URL("http://10.0.0.5:4000/"), code: "0f3a1b" };
  assert.deepEqual(parsePlace("http://10.0.0.5:4000/join/0f3a1b", here), other);
  assert.deepEqual(parsePlace(encodeURI("http://10.0.0.5:4000/join/いきたはしこ"), undefined), other);
  assert.equal(parsePlace("0f3a1b", undefined), "noServer");
  for (const text of ["", "hello", "http://10.0.0.5/", "http:///join/0f3a1b", "javascript:1//join/0f3a1b", "http://x/join/%"]) {
    assert.equal(parsePlace(text, here), "unknownCode", text);
  }
  assert.ok(isBlocked(new URL("http://10.0.0.5/"), true));
  assert.ok(!isBlocked(new URL("http://localhost:4000/"), true) && !isBlocked(new URL("http://10.0.0.5/"), false));
});

test("what is shared is bounded, and only changes are", () => {
  const shared = new SharedValues();
  assert.ok(shared.takes("score", "1") && !shared.takes("score", "1") && shared.takes("score", ""));
  assert.ok(!shared.takes("", "1") && !shared.takes("n".repeat(257), "1") && !shared.takes("big", "x".repeat(4_001)));
  const big = "x".repeat(4_000);
  assert.deepEqual(["a", "b", "c", "d", "e"].map((name) => shared.takes(name, big)), [true, true, true, false, false]);
  assert.ok(shared.takes("a", "small") && shared.takes("d", big));
  shared.clear();
  const many = Array.from({ length: 200 }, (_, n) => shared.takes(`n${n}`, "1"));
  assert.equal(many.filter(Boolean).length, 100);
});

test("a hat starts for each event, once in a frame, in order", () => {
  const started = [];
  const target = {};
  const threads = {};
  const startHats = (opcode, fields) => {
    if (opcode === "meshv2_whenEvent") started.push(fields.TEXT);
    return opcode === "meshv2_whenEvent" ? [(threads[fields.TEXT] = {})] : undefined;
  };
  const hats = new VmHats({ targets: [target] }, startHats);
  for (const name of ["a", "b", "A", "c"]) hats.add(event(name, `of ${name}`));
  hats.step();
  assert.deepEqual(started, ["a", "b"]);
  assert.equal(hats.of(threads.a).payload, "of a");
  hats.step();
  assert.deepEqual(started, ["a", "b", "A", "c"]);
  for (let n = 0; n < 5_000; n += 1) hats.add(event(`flood ${n}`));
  started.length = 0;
  hats.step();
  assert.equal(started.length, 50);
  for (let frame = 1; frame < 100; frame += 1) hats.step();
  assert.equal(started.length, 1_000);
  assert.equal(started.at(-1), "flood 4999");
});

test("a hat that is asked turns true for each event, and false between two", () => {
  const shown = [];
  const hats = new AskedHats(({ payload }) => shown.push(payload));
  assert.equal(hats.isUp("go", 0), false);
  for (const payload of ["1", "2"]) hats.add(event("GO", payload));
  const seen = [1, 50, 100, 101, 150, 200, 201, 250, 302, 500].map((now) => hats.isUp("go", 1_000 + now));
  assert.deepEqual(seen, [true, true, true, false, false, false, true, true, false, false]);
  assert.deepEqual(shown, ["1", "2"]);
});

test("each language has every text", () => {
  const keys = (texts) => Object.entries(texts).flatMap(([key, it]) => (typeof it === "string" ? [key] : Object.keys(it)));
  assert.deepEqual(keys(textsOf("ja-JP")), keys(textsOf("en")));
  assert.deepEqual(keys(textsOf("ja-Hira")), keys(textsOf("fr")));
  for (const locale of ["en", "ja", "ja-Hira"]) {
    const { join, send } = textsOf(locale);
    assert.ok(join.includes("[CODE]") && join.includes("[NAME]") && send.includes("[EVENT]") && send.includes("[PAYLOAD]"));
  }
});

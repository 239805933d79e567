// The examples: a quiz that JavaScript asks, and Python, Ruby and JavaScript answer.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Mesh } from "../../../clients/js/dist/index.js";
import { startServer } from "../common/server.mjs";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const { RUBY = "/usr/bin/ruby" } = process.env;
/** Longer than a member may be silent on this server. */
const SILENT_MS = 4_000;
const players = [];
let server;
let folder;

before(async () => {
  server = await startServer({ flags: ["--member-heartbeat-interval", "1", "--member-heartbeat-ttl", "3"] });
  // As after `npm install mesh-v2-client` beside the examples.
  folder = mkdtempSync(join(tmpdir(), "mesh-v2-quiz-"));
  cpSync(join(root, "examples"), folder, { recursive: true });
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(join(root, "clients/js"), join(folder, "node_modules/mesh-v2-client"));
});

after(async () => {
  for (const { program } of players) program.kill();
  rmSync(folder, { recursive: true, force: true });
  await server.stop();
});

function play(command, file, ...args) {
  const program = spawn(command, [join(folder, file), new URL("/", server.url).href, server.apiKey, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const player = { program, output: "", ended: new Promise((resolve) => program.once("exit", resolve)) };
  program.stdout.setEncoding("utf8").on("data", (text) => (player.output += text));
  players.push(player);
  return player;
}

async function shows({ output, program }, wanted, player = arguments[0]) {
  const deadline = Date.now() + 20_000;
  while (!player.output.match(wanted)) {
    assert.ok(Date.now() < deadline && program.exitCode === null, `${program.spawnfile} shows ${player.output}, not ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return player.output.match(wanted);
}

const type = (player, line) => player.program.stdin.write(`${line}\n`);

test("the quiz is asked in JavaScript, answered in Python, Ruby and JavaScript, and all agree on who was first", async () => {
  const host = play(process.execPath, "quiz.mjs");
  const [, code] = await shows(host, /The code is ([0-9a-f]{6})/);
  const pupils = [
    play("python3", "quiz.py", code, "Mio"),
    play(RUBY, "quiz.rb", code, "Ren"),
    play(process.execPath, "quiz.mjs", code, "Sora"),
  ];
  const all = [host, ...pupils];
  await Promise.all(pupils.map((pupil) => shows(pupil, /Press Enter/)));
  for (const [number, quick] of pupils.entries()) {
    type(host, `number ${number}`);
    await Promise.all(all.map((player) => shows(player, `Question: number ${number}\n`)));
    if (number > 0) type(quick, "");
    else pupils.forEach((pupil) => type(pupil, "")); // all at once
    await Promise.all(all.map((player) => shows(player, new RegExp(`number ${number}\n\\w+ was first!\n`))));
  }
  const results = all.map(({ output }) => output.match(/\w+ was first!/g));
  for (const result of results) assert.deepEqual(result, results[0]);
  assert.deepEqual(results[0].slice(1), ["Ren was first!", "Sora was first!"]);

  // All send heartbeats: none was removed.
  await sleep(SILENT_MS);
  const mesh = new Mesh({ url: server.url, key: server.apiKey, code });
  const { id: groupId, domain } = await mesh.call("groupByJoinCode", { code });
  const members = await mesh.call("listNodesInGroup", { groupId, domain });
  assert.deepEqual(members.map(({ nickname }) => nickname).filter(Boolean).sort(), ["Mio", "Ren", "Sora"]);
  host.program.stdin.end();
  assert.deepEqual(await Promise.all(all.map(({ ended }) => ended)), [0, 0, 0, 0]);
});

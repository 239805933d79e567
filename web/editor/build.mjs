// Makes a folder for `mesh-v2 serve --public`: the Scratch editor of npm, unchanged, and a page that adds
// the blocks of Mesh v2 to it.
//   node build.mjs OUT     OUT must be new or empty; the package of 150 MB is kept in target/editor
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const PACKAGE = "@scratch/scratch-gui@15.2.0";
const FILE = "scratch-scratch-gui-15.2.0.tgz";
const SHA512 = "ZjKknkK6Suh0qtfCgaKNUt2Ilz/j6pWdTn6+Brrb2NLn8iXviccLfiSezAFvXqFqWaOMjac0sMfe8JpKkkOPTg==";
/** What the editor loads, all from the folder's root. */
const PARTS = ["scratch-gui-standalone.js", "scratch-gui-standalone.js.LICENSE.txt", "chunks", "static", "extension-worker.js"];

const here = dirname(fileURLToPath(import.meta.url));
const kept = resolve(here, "../../target/editor");

const [out] = process.argv.slice(2);
assert.ok(out, "usage: node build.mjs OUT");
assert.ok(!existsSync(out) || readdirSync(out).length === 0, `${out} is not empty: name a new folder`);

const unpacked = unpack(fetch());
for (const part of PARTS) {
  cpSync(join(unpacked, "dist", part), join(out, part), { recursive: true, filter: (path) => !path.endsWith(".map") });
}
cpSync(join(here, "page"), join(out, "editor"), { recursive: true });
for (const notice of ["LICENSE", "TRADEMARK"]) cpSync(join(unpacked, notice), join(out, "editor", `${notice}.txt`));
// The server sends this file instead: 6 MB, not 17.
const program = join(out, PARTS[0]);
writeFileSync(`${program}.gz`, gzipSync(readFileSync(program), { level: 9 }));
console.log(`The editor is in ${out}: mesh-v2 serve --public ${out}, then open /editor/ there.`);

/** The package's file; npm is asked for it once. */
function fetch() {
  const file = join(kept, FILE);
  mkdirSync(kept, { recursive: true });
  if (!existsSync(file)) execFileSync("npm", ["pack", "--ignore-scripts", "--pack-destination", kept, PACKAGE], { stdio: "inherit" });
  const sum = createHash("sha512").update(readFileSync(file)).digest("base64");
  assert.equal(sum, SHA512, `${file} is not the package that was tried: delete it and try again`);
  return file;
}

function unpack(file) {
  const folder = join(kept, "package");
  if (!existsSync(join(folder, "package.json"))) {
    execFileSync("tar", ["-xzf", file, "-C", kept, "--exclude=*.map"], { stdio: "inherit" });
  }
  return folder;
}

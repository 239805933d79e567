// Builds the pages anew and compares them with the committed files.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const committed = fileURLToPath(new URL("../../src/server/", import.meta.url));
const built = mkdtempSync(join(tmpdir(), "mesh-v2-pages-"));
try {
  const build = fileURLToPath(new URL("../build.mjs", import.meta.url));
  execFileSync(process.execPath, [build], { stdio: "inherit", env: { ...process.env, OUT: built } });
  const differ = [];
  for (const folder of readdirSync(built)) {
    const files = new Set([...readdirSync(join(built, folder)), ...readdirSync(join(committed, folder))]);
    for (const file of files) {
      const [ours, theirs] = [built, committed].map((place) => read(join(place, folder, file)));
      if (!ours?.equals(theirs ?? Buffer.alloc(0))) differ.push(`${folder}/${file}`);
    }
  }
  if (differ.length > 0) {
    console.error(`not as their sources: ${differ.join(", ")}: npm run build`);
    process.exitCode = 1;
  }
} finally {
  rmSync(built, { recursive: true });
}

function read(path) {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

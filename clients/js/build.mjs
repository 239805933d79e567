// Builds the package into dist: one module, and its types. Its tools are those of web/, whose
// packages must be installed (npm ci in web).
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const web = createRequire(join(here, "../../web/package.json"));
const out = process.argv[2] ?? join(here, "dist");
/** The module in gzip, minified: pupils' devices and networks are slow. */
const BYTES = 10_000;

const esbuild = web("esbuild");
const options = {
  entryPoints: [join(here, "src/index.ts")],
  bundle: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
};
const [{ contents }] = (await esbuild.build({ ...options, minify: true, write: false })).outputFiles;
const bytes = gzipSync(contents).length;
console.log(`${bytes} bytes in gzip, minified`);
if (bytes >= BYTES) throw new Error(`the client has ${bytes} bytes in gzip: it must have less than ${BYTES}`);

rmSync(out, { recursive: true, force: true });
await esbuild.build({ ...options, outfile: join(out, "index.js"), sourcemap: true });
const tsc = join(dirname(web.resolve("typescript/package.json")), "bin/tsc");
execFileSync(process.execPath, [tsc, "-p", here, "--outDir", out], { stdio: "inherit" });

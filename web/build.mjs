// Builds into the server's source tree what is embedded in the binary: the pages for people
// (src/server/pages), GraphiQL (src/server/graphiql), with the licence texts, and what pages of
// others load: the extension for Scratch editors and the client (src/server/extension).
import { build } from "esbuild";
import { copyFile, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.env.OUT ?? join(here, "../src/server");

/** The pages for people; each is one script, all share one style sheet. */
const PAGES = { certificate: "Mesh v2", doctor: "Mesh v2", front: "Mesh v2", join: "Mesh v2", teach: "Mesh v2" };
/** A page with its script and style sheet, in gzip: pupils' devices and networks are slow. */
const PAGE_BYTES = 60 * 1024;
/** The extension, in gzip. */
const EXTENSION_BYTES = 16 * 1024;
/** The JavaScript client, in gzip. */
const CLIENT_BYTES = 10_000;
/** How TurboWarp's extensions begin. */
const EXTENSION_HEAD = "// Name: Mesh v2\n// ID: meshv2\n// Description: Share values and events with the projects of your class.\n// License: MIT OR Apache-2.0";

const common = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  target: ["es2021", "chrome100", "firefox100", "safari15"],
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  legalComments: "none", // LICENSES.txt has the full texts
  metafile: true,
};

// GraphiQL's style sheet carries 350 kB of fonts as data URLs. The page uses
// the reader's own system fonts instead (see main.css).
const withoutFonts = {
  name: "without-fonts",
  setup({ onLoad }) {
    onLoad({ filter: /node_modules.*\.css$/ }, async ({ path }) => ({
      contents: (await readFile(path, "utf8")).replace(/@font-face\s*\{[^}]*\}/g, ""),
      loader: "css",
    }));
  },
};

await Promise.all([pages(join(out, "pages")), graphiql(join(out, "graphiql")), extension(join(out, "extension"))]);

async function pages(folder) {
  await mkdir(folder, { recursive: true });
  const names = Object.keys(PAGES);
  const entryPoints = Object.fromEntries(names.map((name) => [name, `pages/${name}/main.tsx`]));
  const { metafile } = await build({
    ...common,
    entryPoints: { ...entryPoints, pages: "pages/pages.css" },
    outdir: folder,
    format: "esm",
    jsxImportSource: "preact",
  });
  const template = await readFile(join(here, "pages/page.html"), "utf8");
  for (const [name, title] of Object.entries(PAGES)) {
    await writeFile(join(folder, `${name}.html`), template.replaceAll("{{page}}", name).replace("{{title}}", title));
  }
  await copyFile(join(here, "pages/icon.svg"), join(folder, "icon.svg"));
  await writeFile(join(folder, "LICENSES.txt"), await licences(metafile, "The pages contain these packages."));
  for (const name of names) {
    const files = [`${name}.html`, `${name}.js`, "pages.css"];
    const sizes = await Promise.all(files.map(async (file) => gzipSync(await readFile(join(folder, file))).length));
    const bytes = sizes.reduce((sum, size) => sum + size);
    console.log(`${String(bytes).padStart(9)}  page ${name}, in gzip`);
    if (bytes > PAGE_BYTES) throw new Error(`the page ${name} has ${bytes} bytes in gzip, more than ${PAGE_BYTES}`);
  }
}

async function graphiql(folder) {
  await mkdir(folder, { recursive: true });
  const { metafile } = await build({
    ...common,
    entryPoints: { graphiql: "graphiql/src/main.jsx" },
    outdir: folder,
    format: "iife",
    // Some packages ask for graphql's CommonJS build. Two copies of graphql in
    // one page refuse each other's schemas, so every import gets the same one.
    alias: { graphql: join(here, "node_modules/graphql/index.mjs") },
    plugins: [withoutFonts],
  });
  await copyFile(join(here, "graphiql/src/index.html"), join(folder, "index.html"));
  const title = "The GraphiQL page (graphiql.js and graphiql.css) contains these packages.";
  await writeFile(join(folder, "LICENSES.txt"), await licences(metafile, title));
  for (const [file, { bytes }] of Object.entries(metafile.outputs)) {
    console.log(`${String(bytes).padStart(9)}  ${file.split("/").pop()}`);
  }
}

/** The script for TurboWarp and the module for Xcratch; nothing in them is of another package. */
async function extension(folder) {
  const extension = { banner: { js: EXTENSION_HEAD }, limit: EXTENSION_BYTES };
  const kinds = [
    { from: "extension/turbowarp.ts", to: "mesh.js", format: "iife", ...extension },
    { from: "extension/xcratch.ts", to: "mesh.mjs", format: "esm", ...extension },
    { from: "../clients/js/src/index.ts", to: "client.mjs", format: "esm", target: "es2022", limit: CLIENT_BYTES },
  ];
  for (const { from, to, limit, ...options } of kinds) {
    const outfile = join(folder, to);
    const { metafile } = await build({ ...common, entryPoints: [from], outfile, ...options });
    const packages = Object.keys(metafile.inputs).filter((input) => input.includes("node_modules"));
    if (packages.length > 0) throw new Error(`${to} needs licence texts of ${packages}`);
    const bytes = gzipSync(await readFile(outfile)).length;
    console.log(`${String(bytes).padStart(9)}  ${to}, in gzip`);
    if (bytes > limit) throw new Error(`${to} has ${bytes} bytes in gzip, more than ${limit}`);
  }
}

/** The licence text of every package that has a file in the bundle. */
async function licences(metafile, title) {
  const folders = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const folder = input.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0];
    if (folder) folders.add(folder);
  }
  // graphiql.css is published with CodeMirror's and its own styles merged in,
  // both of which are in the list through their scripts.
  const packages = [];
  for (const folder of folders) {
    const { name, version, license, author } = JSON.parse(await readFile(join(here, folder, "package.json"), "utf8"));
    const file = (await readdir(join(here, folder))).find((f) => /^licen[cs]e/i.test(f));
    const text = file
      ? (await readFile(join(here, folder, file), "utf8")).replace(/\r\n?/g, "\n").replace(/[ \t]+$/gm, "").trim()
      : `Licence: ${license}, by ${author?.name ?? author ?? "the authors of the package"}\n` +
        "(the package carries no licence file of its own)";
    packages.push({ title: `${name} ${version}`, text });
  }
  packages.sort((a, b) => a.title.localeCompare(b.title, "en"));

  // Packages of one family share one text: print it once, below all their names.
  const byText = new Map();
  for (const it of packages) byText.set(it.text, [...(byText.get(it.text) ?? []), it.title]);
  const rule = "-".repeat(72);
  const sections = [...byText].map(([text, titles]) => `${rule}\n${titles.join("\n")}\n${rule}\n\n${text}\n`);
  return `${title}\n\n${sections.join("\n")}`;
}

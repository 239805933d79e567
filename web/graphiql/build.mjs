// Builds the page into the server's source tree, where it is embedded in the
// binary: one script, one style sheet, the page itself and the licence texts.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.env.OUT ?? join(here, "../../src/server/graphiql");

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

const result = await build({
  absWorkingDir: here,
  entryPoints: { graphiql: "src/main.jsx" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2021", "chrome100", "firefox100", "safari15"],
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  // Some packages ask for graphql's CommonJS build. Two copies of graphql in
  // one page refuse each other's schemas, so every import gets the same one.
  alias: { graphql: join(here, "node_modules/graphql/index.mjs") },
  plugins: [withoutFonts],
  legalComments: "none", // LICENSES.txt has the full texts
  metafile: true,
});

await copyFile(join(here, "src/index.html"), join(out, "index.html"));
await writeFile(join(out, "LICENSES.txt"), await licences(Object.keys(result.metafile.inputs)));

for (const [file, { bytes }] of Object.entries(result.metafile.outputs)) {
  console.log(`${String(bytes).padStart(9)}  ${file.split("/").pop()}`);
}
if (process.env.METAFILE) await writeFile(process.env.METAFILE, JSON.stringify(result.metafile));

/** The licence text of every package that has a file in the bundle. */
async function licences(inputs) {
  const folders = new Set();
  for (const input of inputs) {
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
  for (const { title, text } of packages) byText.set(text, [...(byText.get(text) ?? []), title]);
  const rule = "-".repeat(72);
  const sections = [...byText].map(([text, titles]) => `${rule}\n${titles.join("\n")}\n${rule}\n\n${text}\n`);
  return `The GraphiQL page (graphiql.js and graphiql.css) contains these packages.\n\n${sections.join("\n")}`;
}

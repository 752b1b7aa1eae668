// Builds the explorer into the package, or into the folder that is named.
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const out = process.argv[2] ?? "../graphrag/server/web";
const shared = {
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2023",
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
  external: ["/web/*"],
  outdir: out,
};

await mkdir(out, { recursive: true });
const page = await build({
  ...shared,
  entryPoints: { explorer: "src/explorer.tsx", "explorer-style": "src/style.css" },
  jsx: "automatic",
  jsxImportSource: "preact",
  define: { "process.env.NODE_ENV": '"production"' },
});
// Loaded by the explorer only where a page of a PDF file is drawn.
const pdf = await build({
  ...shared,
  entryPoints: {
    pdf: "src/pdf.ts",
    "pdf-worker": "pdfjs-dist/build/pdf.worker.mjs",
  },
});
for (const name of ["index.html", "icon.svg"]) {
  await cp(`src/${name}`, `${out}/${name}`);
}

// The licences of what is inside ask to be passed on with it.
const inputs = [page, pdf].flatMap(({ metafile }) => Object.keys(metafile.inputs));
const found = inputs.map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
const packages = [...new Set(found.filter(Boolean))].sort();
const texts = await Promise.all(packages.map(licenceOf));
await writeFile(`${out}/licences.txt`, texts.join("\n"));

async function licenceOf(name) {
  const folder = `node_modules/${name}`;
  const { version, license } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
  const file = (await readdir(folder)).find((one) => /^licen[cs]e/i.test(one));
  const text = file ? await readFile(`${folder}/${file}`, "utf8") : "";
  return `== ${name} ${version} (${license})\n\n${text.trim()}\n`;
}

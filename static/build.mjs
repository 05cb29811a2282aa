// Bundles static/src into static/dist: every file's name carries the hash of
// its contents, and manifest.json maps the plain name to it. The result is
// committed, so that the server builds with Go alone. Run by `npm run build`.
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");

const bundled = await build({
  entryPoints: [join(here, "src/app.css"), join(here, "src/app.js"), join(here, "src/graph.js")],
  bundle: true,
  minify: true,
  legalComments: "none",
  charset: "utf8",
  target: ["chrome123", "firefox120", "safari17.5"],
  outdir: dist,
  write: false,
});

const files = bundled.outputFiles.map((f) => ({ name: f.path.slice(dist.length + 1), bytes: f.contents }));
for (const name of ["icon.svg", "icon-failed.svg", "icon-building.svg", "icon-built.svg"]) {
  files.push({ name, bytes: await readFile(join(here, "src", name)) });
}

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
const manifest = {};
for (const { name, bytes } of files.sort((a, b) => (a.name < b.name ? -1 : 1))) {
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 10);
  const dot = name.lastIndexOf(".");
  manifest[name] = `${name.slice(0, dot)}.${hash}${name.slice(dot)}`;
  await writeFile(join(dist, manifest[name]), bytes);
}
await writeFile(join(dist, "manifest.json"), JSON.stringify(manifest, null, 2) + "\n");

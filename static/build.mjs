// Bundles static/src into static/dist. The result is committed, so that the
// server builds with Go alone; static.Load adds the hash to each name. Run by
// `npm run build`.
import { copyFile, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
await build({
  entryPoints: [join(here, "src/app.css"), join(here, "src/app.js"), join(here, "src/graph.js"), join(here, "src/pictures.js"), join(here, "src/hints.js")],
  bundle: true,
  minify: true,
  legalComments: "none",
  charset: "utf8",
  target: ["chrome123", "firefox120", "safari17.5"],
  outdir: dist,
});
for (const name of ["icon.svg", "icon-failed.svg", "icon-building.svg", "icon-built.svg"]) {
  await copyFile(join(here, "src", name), join(dist, name));
}

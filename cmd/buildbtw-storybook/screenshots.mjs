// Takes a picture of every page from the stories, in light, dark and narrow, to look
// over after a change. `make screenshots` runs it.
//
//   node cmd/buildbtw-storybook/screenshots.mjs STORYBOOK OUT
//
// STORYBOOK is the program buildbtw-storybook. CHROMIUM names the browser.
import { execFileSync, spawn } from "node:child_process";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [storybook, out] = process.argv.slice(2);
if (!out) throw new Error("usage: screenshots.mjs STORYBOOK OUT");

// Picture: story.
const stories = {
  home: "/home/busy",
  buildspaces: "/buildspaces/list",
  "new-buildspace": "/new/empty",
  plan: "/new/plan",
  "plan-large": "/new/plan-large",
  "wrong-changeset": "/new/wrong-changeset",
  "edit-buildspace": "/edit/plan",
  iteration: "/iteration/building",
  "iteration-built": "/iteration/built",
  "iteration-invalid": "/iteration/invalid",
  compare: "/compare/all",
  activity: "/iteration/activity",
  graph: "/graph/failure",
  "graph-large": "/graph/3000",
  "graph-everything": "/graph/3000?view=all",
  "build-failed": "/build/failed",
  "build-blocked": "/build/blocked",
  "build-built": "/build/built",
  log: "/log/failed",
  package: "/package/known",
  search: "/search/full",
  sources: "/sources/some-broken",
  workers: "/workers/some",
  login: "/login/beside",
  "login-code": "/login/code",
  release: "/iteration/release",
  error: "/error/404",
};
const wide = { width: 1280, height: 800 };
const looks = [
  { suffix: "", options: { colorScheme: "light", viewport: wide } },
  { suffix: "-dark", options: { colorScheme: "dark", viewport: wide } },
  { suffix: "-narrow", options: { colorScheme: "light", viewport: { width: 360, height: 740 } } },
];
const tallest = 1200; // px; what lies below says nothing new
const largest = 200_000; // bytes of one picture
const flags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/** Starts the storybook and gives its process and address. */
function start() {
  const child = spawn(storybook, ["--listen", "127.0.0.1:0"], { stdio: ["ignore", "ignore", "pipe"] });
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr.on("data", (text) => {
      said += text;
      const url = said.match(/http:\/\/[\d.:]+/)?.[0];
      if (url) resolve({ child, url });
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`${storybook} ended with exit code ${code}: ${said}`)));
  });
}

async function take(page, url, path) {
  await page.goto(url, { waitUntil: "load" });
  await page.waitForFunction(() => document.getElementById("graph")?.dataset.drawn ?? !document.getElementById("graph")); // a canvas draws later
  const { width } = page.viewportSize();
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.screenshot({ path, fullPage: true, animations: "disabled", clip: { x: 0, y: 0, width, height: Math.min(height, tallest) } });
  execFileSync(storybook, ["-shrink", path]);
  const { size } = await stat(path);
  if (size > largest) throw new Error(`${path} has ${size} bytes, more than ${largest}`);
  return size;
}

const { child, url } = await start();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });
try {
  await mkdir(out, { recursive: true });
  for (const name of await readdir(out)) if (name.endsWith(".png")) await rm(join(out, name));
  let count = 0;
  let bytes = 0;
  for (const { suffix, options } of looks) {
    const context = await browser.newContext({ ...options, reducedMotion: "reduce" });
    const page = await context.newPage();
    for (const [name, story] of Object.entries(stories)) {
      bytes += await take(page, url + story, join(out, `${name}${suffix}.png`));
      count++;
    }
    await context.close();
  }
  console.log(`${count} pictures, ${Math.round(bytes / 1024)} KiB, in ${out}`);
} finally {
  await browser.close();
  child.kill();
}

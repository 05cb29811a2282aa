// Looks at stories in a real browser: screenshots in light, dark and narrow,
// what axe-core finds (targets of 24 px included, WCAG 2.2 AA), sideways scrolling at 360 px, and anything that the
// console complains of (the content security policy, above all).
//
//   node cmd/buildbtw-storybook/look.mjs OUT BASE-URL PATH...
//
// With - as OUT no pictures are taken. Exits 1 when a page breaks a rule. CHROMIUM
// names the browser, LOOKS some of light, dark, narrow, narrow-dark, huge.
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [out, base, ...paths] = process.argv.slice(2);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const looks = [
  { name: "light", colorScheme: "light", viewport: { width: 1280, height: 900 } },
  { name: "dark", colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  { name: "narrow", colorScheme: "light", viewport: { width: 360, height: 740 } },
  { name: "narrow-dark", colorScheme: "dark", viewport: { width: 360, height: 740 } },
  { name: "huge", colorScheme: "light", viewport: { width: 2560, height: 1400 } },
].filter(({ name }) => (process.env.LOOKS ?? "light dark narrow").split(" ").includes(name));

if (out !== "-") await mkdir(out, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic"],
});
let complaints = 0;
const complain = (path, look, text) => {
  complaints++;
  console.log(`${path} (${look}): ${text}`);
};

for (const { name, ...options } of looks) {
  const context = await browser.newContext({ ...options, reducedMotion: "reduce" });
  const page = await context.newPage();
  let path;
  page.on("console", (m) => {
    const leaving = m.text().includes("Failed to fetch"); // see requestfailed
    if (["error", "warning"].includes(m.type()) && !leaving) complain(path, name, m.text());
  });
  page.on("requestfailed", (r) => {
    const why = r.failure().errorText;
    if (why !== "net::ERR_ABORTED") complain(path, name, `${why} ${r.url()}`); // a poll of the page before is given up
  });
  page.on("pageerror", (e) => complain(path, name, e.message));
  for (path of paths) {
    await page.goto(base + path);
    await page.waitForLoadState("load");
    await page.waitForFunction(() => ["graph", "picture"].every((id) => document.getElementById(id)?.dataset.drawn ?? true)); // a canvas draws later
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) complain(path, name, `scrolls sideways by ${wide} px`);
    await page.evaluate(axe);
    const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } }));
    for (const v of found.violations) {
      complain(path, name, `${v.impact}: ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(" | ")}`);
    }
    if (out !== "-") await page.screenshot({ path: `${out}/${path.slice(1).replace(/[^a-z0-9]+/gi, "-")}-${name}.png`, fullPage: true });
  }
  await context.close();
}
await browser.close();
console.log(`${paths.length} pages, ${looks.length} looks, ${complaints} complaints`);
process.exit(complaints ? 1 : 0);

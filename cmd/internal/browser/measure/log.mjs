// Measures a log in the browser: from the beginning of the navigation until its
// last lines are painted at the end of the box, and from the click until a line
// in its middle is.
//
//   STORY_SERVER=http://… CHROMIUM=… node log.mjs PATH LINES RUNS
//
// Prints one line of JSON for every run; each has a browser context of its own.
import { chromium } from "playwright-core";

const [path, lines, runs] = process.argv.slice(2);
const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: flags });
try {
  for (let run = 0; run < Number(runs); run++) {
    const context = await browser.newContext({ baseURL: process.env.STORY_SERVER, viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    await page.goto(path);
    const first = await page.evaluate(painted, lines);
    await page.getByLabel("Line", { exact: true }).fill(String(Math.floor(Number(lines) / 2) + run));
    const jump = await page.evaluate(jumped, Math.floor(Number(lines) / 2) + run);
    console.log(JSON.stringify({ first, jump }));
    await context.close();
  }
} finally {
  await browser.close();
}

/** Waits for the last line to be at the end of the box; gives ms since the navigation began. */
async function painted(last) {
  const box = document.getElementById("log-box");
  const there = () => {
    const row = document.getElementById(`L${last}`);
    return row && row.getBoundingClientRect().top < box.getBoundingClientRect().bottom && performance.getEntriesByType("paint").length > 0;
  };
  while (!there()) await new Promise(requestAnimationFrame);
  const load = performance.getEntriesByType("navigation")[0];
  // The script that goes to the end runs before this event; what is painted first comes no earlier.
  return Math.max(load.domContentLoadedEventEnd, ...performance.getEntriesByType("paint").map((p) => p.startTime));
}

/** Sends the form that goes to a line; gives ms until the line is in the box and a frame was drawn. */
async function jumped(line) {
  const began = performance.now();
  document.querySelector("#log-jump button").click();
  const box = document.getElementById("log-box").getBoundingClientRect();
  for (;;) {
    await new Promise(requestAnimationFrame);
    const row = document.getElementById(`L${line}`)?.getBoundingClientRect();
    if (row && row.top >= box.top && row.bottom <= box.bottom) break;
  }
  await new Promise(requestAnimationFrame);
  return performance.now() - began;
}

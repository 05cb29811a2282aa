// Measures how long the two large pictures take until they are drawn first: on the clock,
// and the processor time of the browser's renderer and GPU processes until then, each in a
// fresh browser. The pages are those of stories, the data is made up here: 10,000 bars in 40
// slots, 3,000 packages in 20 iterations. Then the same pages without a picture.
//
//   node cmd/buildbtw-storybook/drawing.mjs BASE-URL
//
// CHROMIUM names the browser, RUNS how often each page is opened (8).
import { chromium } from "playwright-core";

const base = process.argv[2];
const runs = Number(process.env.RUNS ?? 8);
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];

/** 250 builds one after the other in each of 40 slots, over the time that is asked for. */
function bars(url) {
  const [from, until] = ["from", "until"].map((name) => Number(url.searchParams.get(name)));
  const outcomes = ["built", "built", "built", "failed", "lost"];
  const list = [];
  const step = (until - from) / 250;
  for (let slot = 0; slot < 40; slot++)
    for (let i = 0; i < 250; i++) list.push(slot, slot * 250 + i + 1, 1, i, 0, i % outcomes.length, Math.round(from + i * step), Math.round(step * 0.9));
  const slots = [...Array(40).keys()];
  return {
    now: until, lanes: slots.map((i) => `worker-${i >> 2}`), slots: slots.map((i) => i % 4), present: slots.map(() => true),
    names: [...Array(250).keys()].map((i) => `package-${i}`), spaces: ["bench"], outcomes, bars: list, ahead: [],
  };
}

function cells() {
  const columns = [...Array(20).keys()], rows = [...Array(3000).keys()];
  return {
    columns: columns.map((i) => `#${i + 1}`), rows: rows.map((i) => `package-${i}`), broke: rows.map((i) => (i % 150 ? -1 : 19)),
    codes: columns.map((c) => rows.map((r) => "dddrddf"[(r + c) % 7]).join("")), ids: columns.map(() => rows.map(() => 1)),
    seconds: columns.map((c) => rows.map((r) => (r * 7919 + c * 31) % 600)),
  };
}

for (const path of ["/machines/past", "/packages/iterations", "/machines/none", "/packages/none"]) {
  const clock = [], used = [];
  let drawn = "nothing";
  for (let run = 0; run < runs; run++) {
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.route("**/workers/time/bars?**", (route) => route.fulfill({ json: bars(new URL(route.request().url())) }));
    await page.route("**/grid/cells?**", (route) => route.fulfill({ json: cells() }));
    const cdp = await browser.newBrowserCDPSession();
    const busy = async () => {
      const { processInfo } = await cdp.send("SystemInfo.getProcessInfo");
      return processInfo.filter((p) => p.type === "renderer" || p.type === "GPU").reduce((sum, p) => sum + p.cpuTime, 0) * 1000;
    };
    const before = await busy();
    await page.goto(base + path, { waitUntil: "load" });
    await page.waitForFunction(() => document.getElementById("picture")?.dataset.drawn ?? true);
    used.push((await busy()) - before);
    clock.push(await page.evaluate(() => performance.getEntriesByName("picture-drawn")[0]?.startTime ?? performance.getEntriesByType("navigation")[0].loadEventEnd));
    drawn = await page.evaluate(() => document.getElementById("picture")?.dataset.drawn ?? "nothing");
    await browser.close();
  }
  console.log(`${path} (drawn: ${drawn}): ${median(clock).toFixed(0)} ms on the clock, ${median(used).toFixed(0)} ms of processor time, medians of ${runs}`);
}

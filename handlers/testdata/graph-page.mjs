// Measures a graph page in headless Chromium: from navigation to the first
// complete drawing, as it opens and with everything, and frames while panning.
//
//   node graph-page.mjs URL [PICTURE.png]
//
// Prints JSON with milliseconds. CHROMIUM names the browser.
import { chromium } from "playwright-core";

const [url, picture] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
});

async function open(address) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.goto(address);
  await page.waitForFunction(() => performance.getEntriesByName("graph-drawn").length > 0);
  return { page, drawn: await page.evaluate(() => performance.getEntriesByName("graph-drawn")[0].startTime) };
}

/** Drags the picture by a few px in every frame and gives how long frames took. */
function drag(steps) {
  const canvas = document.querySelector("#graph canvas");
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const at = (type, i) => new PointerEvent(type, {
    bubbles: true, pointerId: 1, button: 0, isPrimary: true,
    clientX: left + width / 2 - 200 * Math.sin(i / 8), clientY: top + height / 2 - 120 * Math.sin(i / 11),
  });
  canvas.setPointerCapture = () => {}; // there is no such pointer
  return new Promise((done) => {
    const frames = [];
    let i = 0, last = 0;
    canvas.dispatchEvent(at("pointerdown", 0));
    const frame = (now) => {
      if (last) frames.push(now - last);
      last = now;
      if (i++ === steps) {
        canvas.dispatchEvent(at("pointerup", i));
        done(frames);
        return;
      }
      canvas.dispatchEvent(at("pointermove", i));
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
}

try {
  const first = await open(url);
  const whole = await open(`${url}?view=all`);
  if (picture) await whole.page.screenshot({ path: picture });
  const frames = [];
  for (let zoom = 0; zoom < 4; zoom++) { // from everything to single names
    frames.push(...(await whole.page.evaluate(drag, 40)));
    await whole.page.evaluate(() => {
      for (let i = 0; i < 4; i++) document.querySelector('[data-zoom="in"]').click();
    });
  }
  frames.sort((a, b) => a - b);
  console.log(JSON.stringify({
    first: first.drawn, all: whole.drawn, pan: frames[Math.floor(frames.length * 0.95)], panMedian: frames[Math.floor(frames.length / 2)],
  }));
} finally {
  await browser.close();
}

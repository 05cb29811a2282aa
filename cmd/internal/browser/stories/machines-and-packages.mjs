// A day of 40 slots, and 20 iterations of 3,000 packages: a person without a mouse
// finds a failure in both pictures, the page scrolls until a picture is entered, and
// what a worker does meanwhile appears by itself. How long the pictures take is
// measured and printed (docs/benchmarks.md).
import { reach, same, story, workerComes } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  const keys = page.keyboard;
  const picture = page.locator("#picture");
  const said = page.locator("#picture-says");
  const drawn = () => page.waitForFunction(() => document.getElementById("picture").dataset.drawn);

  // Machines over time.
  await page.goto("/workers/time");
  await drawn();
  await measure("machines over time, 40 slots, a day");
  await visit.look();
  same(await page.locator(".lanes tbody tr").count(), 40, "rows of the table");
  same((await picture.getAttribute("data-drawn")).split(" ")[0], "40", "lanes of the picture");
  await visit.mark();

  // The page scrolls under the wheel until the picture is entered; then it zooms.
  const canvas = picture.getByRole("application");
  await canvas.hover();
  await page.mouse.wheel(0, 200);
  await page.waitForFunction(() => scrollY > 0);
  await visit.sees(picture.getByText("Click the picture to zoom with the wheel"));
  await page.evaluate(() => scrollTo(0, 0));
  await reach(page, canvas);
  const before = await page.evaluate(() => document.querySelector("#picture canvas").toDataURL());
  await canvas.hover();
  const scrolled = await page.evaluate(() => scrollY);
  await page.mouse.wheel(0, -200);
  await page.waitForFunction((old) => document.querySelector("#picture canvas").toDataURL() !== old, before);
  same(await page.evaluate(() => scrollY), scrolled, "how far the page was scrolled from within the picture");

  // By keyboard: along a slot, to another, and the words of each.
  await keys.press("0");
  await keys.press("ArrowRight");
  await visit.says(said, /builder00 slot 1$/);
  const first = await said.textContent();
  await keys.press("ArrowLeft");
  await page.waitForFunction((old) => document.getElementById("picture-says").textContent !== old, first);
  await keys.press("ArrowDown");
  await visit.says(said, /^pkg\d+, (built|failed|worker lost) in .*, distribution #\d+, builder00 slot 2$/);
  for (const key of ["+", "-", "Shift+ArrowLeft", "Shift+ArrowDown", "0"]) await keys.press(key);

  // A worker comes: its lane and its build appear, on a page that was not loaded anew.
  await workerComes("newcomer");
  await visit.says(page.locator(".lanes tbody tr"), "newcomer");
  await page.waitForFunction(() => document.getElementById("picture").dataset.drawn.startsWith("41 "));
  await visit.isMarked();

  // Enter opens the build.
  const name = (await said.textContent()).split(",")[0];
  await Promise.all([page.waitForURL("**/builds/*"), keys.press("Enter")]);
  await visit.says(page.getByRole("heading", { level: 1 }), name);
  await visit.look();

  // One buildspace's, and another span of time.
  await visit.open("/buildspaces/distribution/time?hours=6");
  await drawn();
  await visit.sees(page.getByRole("link", { name: "6 hours" }).and(page.locator("[aria-current]")));

  // Packages by iteration: what broke stands first, and f leads to it.
  await page.goto("/buildspaces/distribution/packages");
  await drawn();
  await measure("packages by iteration, 3,000 × 20");
  await visit.look();
  same(await picture.getAttribute("data-drawn"), "3000 20", "what the picture shows");
  await visit.says(page.locator("main"), "20 newly failing");
  await visit.says(page.locator(".grid-table tbody tr").first(), "pkg01000", "first failure");
  await reach(page, canvas);
  await keys.press("f");
  await visit.says(said, /^pkg01000, #20, failed in .*, first failure since it was built$/);
  await keys.press("ArrowLeft");
  await visit.says(said, /^pkg01000, #19, built in /);
  await keys.press("/");
  await keys.type("pkg0150");
  await page.waitForFunction(() => document.getElementById("picture").dataset.drawn === "10 20");
  await reach(page, canvas);
  await keys.press("Escape");
  await keys.press("ArrowDown");
  await visit.says(said, /^pkg01500, #20, failed/);
  await Promise.all([page.waitForURL("**/builds/*"), keys.press("Enter")]);
  await visit.says(page.getByRole("heading", { level: 1 }), "pkg01500");
  await visit.look();

  // The same in all buildspaces.
  await visit.open("/grid");
  await drawn();
  await visit.sees(page.getByRole("columnheader", { name: "distribution #20" }));

  /** Prints how long the first drawing took from the navigation on, and frames while the picture is dragged. */
  async function measure(what) {
    const first = await page.evaluate(() => performance.getEntriesByName("picture-drawn")[0].startTime);
    const frames = await page.evaluate(drag);
    frames.sort((a, b) => a - b);
    const at = (part) => frames[Math.floor(frames.length * part)].toFixed(0);
    console.log(`${what}: first drawing ${first.toFixed(0)} ms; frames median ${at(0.5)} ms, p95 ${at(0.95)} ms`);
  }
});

/** Drags the picture by some px in every frame, at four zooms, and gives how long frames took. */
async function drag() {
  const canvas = document.querySelector("#picture canvas");
  canvas.focus();
  canvas.setPointerCapture = () => {}; // there is no such pointer
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const at = (type, i) => new PointerEvent(type, {
    bubbles: true, pointerId: 1, button: 0, isPrimary: true, pointerType: "mouse",
    clientX: left + width / 2 - 200 * Math.sin(i / 8), clientY: top + height / 2 - 120 * Math.sin(i / 11),
  });
  const frames = [];
  for (let zoom = 0; zoom < 4; zoom++) {
    let last = 0;
    canvas.dispatchEvent(at("pointerdown", 0));
    for (let i = 0; i < 40; i++) {
      const now = await new Promise(requestAnimationFrame);
      if (last) frames.push(now - last);
      last = now;
      canvas.dispatchEvent(at("pointermove", i));
    }
    canvas.dispatchEvent(at("pointerup", 40));
    document.querySelector('#picture [data-zoom="in"]').click();
  }
  document.querySelector('#picture [data-zoom="fit"]').click();
  document.querySelector(".brand").focus(); // so that Tab leads to the picture again
  return frames;
}

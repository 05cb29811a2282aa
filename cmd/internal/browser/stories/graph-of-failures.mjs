// A graph of 3,000 builds in which 50 failed: each look draws the same whenever it is
// drawn again, what blocks most has a name from far away, and the looks are steps that
// Back goes through.
import { same, story } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  const graph = page.getByRole("region", { name: "Picture of the build graph" });
  const canvas = graph.getByRole("application");
  const drawn = (what) => page.waitForFunction((what) => document.getElementById("graph").dataset.drawn?.startsWith(what), what);
  const pixels = () => page.evaluate(() => document.querySelector("#graph canvas").toDataURL());
  const path = "/buildspaces/distribution/20/x86_64/graph";

  // A pen that one drawing leaves to the next moved the names onto the icons.
  for (const view of ["near", "failed", "all", "all&collapse=1", "all&fold=1", "path&focus=pkg01000&to=pkg00000"]) {
    await page.goto(`${path}?view=${view}`);
    await drawn(view.split("&")[0]);
    same(await drawAgain() === (await drawAgain({ fresh: true })), true, `${view} draws the same again`);
    await graph.getByRole("button", { name: "Fit" }).click();
    for (let i = 0; i < 12; i++) await graph.getByRole("button", { name: "Zoom in" }).click(); // near enough for names
    same(await drawAgain() === (await drawAgain({ fresh: true })), true, `${view} draws names the same again`);
  }
  await visit.look();

  // From far away: names, and statuses switched off.
  await page.goto(`${path}?view=all`);
  await drawn("all");
  await graph.getByRole("button", { name: "Fit" }).click();
  const whole = await drawAgain();
  await graph.getByRole("button", { name: "failed", exact: true }).click();
  same(await graph.getByRole("button", { name: "failed", exact: true }).getAttribute("aria-pressed"), "false", "failed is switched off");
  same(await drawAgain() === whole, false, "what is switched off is drawn as before");
  await graph.getByRole("button", { name: "failed", exact: true }).click();
  same(await drawAgain() === whole, true, "what is switched on again is drawn as before");

  // The wheel scrolls the page until the picture is entered.
  await canvas.hover();
  await page.mouse.wheel(0, 100);
  await page.waitForFunction(() => scrollY > 0);
  same(await drawAgain() === whole, true, "the wheel zooms a picture that was not entered");

  // Found by what it is; the way to another; Back.
  const field = graph.getByRole("combobox");
  await field.fill("blocks>0");
  const option = page.getByRole("option").first();
  await visit.says(option, "failed");
  const worst = (await option.textContent()).split(" ")[0];
  await option.click();
  const about = page.getByRole("complementary", { name: "About a build" });
  await visit.sees(about.getByRole("heading", { level: 2, name: worst, exact: true }));
  await about.getByLabel("Way to").fill("pkg00000");
  await about.getByRole("button", { name: "Show" }).click();
  await drawn("path");
  await page.waitForURL(/view=path/);
  await page.goBack();
  await page.waitForURL(/view=all/);
  await drawn("all 3000");
  await visit.look();

  // The page of a build leads here, and shows the nearest part.
  await page.getByRole("link", { name: worst, exact: true }).first().click();
  await page.waitForURL("**/builds/*");
  await visit.sees(page.locator(".near .node-focus"));
  await visit.look();
  await visit.follow(page.getByRole("link", { name: "Show in graph" }), /view=near/);

  /** Has the picture drawn once more, with the pen as the last drawing left it or a fresh one, and gives its pixels. */
  async function drawAgain({ fresh = false } = {}) {
    await page.evaluate(async (fresh) => {
      const canvas = document.querySelector("#graph canvas");
      canvas.dispatchEvent(new PointerEvent("pointerleave", { pointerId: 9 }));
      const skipped = document.querySelector("#graph .graph-legend [data-code='x']");
      for (let i = 0; i < 2; i++) { // off and on again
        if (fresh) canvas.width = canvas.width; // resets the pen
        skipped.click();
        await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
      }
    }, fresh);
    return pixels();
  }
});

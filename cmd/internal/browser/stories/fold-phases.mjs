// The phases of a long log are folded but for the one that failed: they open by a
// click and by keyboard, by a link to a line, and when something in them is found.
import { create, push, same, story, workerComes } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  await push({ name: "zeppelin", version: "7.4", fake: ["log-lines=700", "phase=prepare", "phase=build", "phase=package", "outcome.1=failed", "message=out of gas"] });
  await create(visit, "zeppelin", "airship");
  await workerComes("w1");
  await visit.follow(visit.row("zeppelin").getByRole("link"), "**/builds/*");
  await visit.sees(page.getByRole("heading", { level: 1, name: /failed/ }));
  await visit.follow(page.getByRole("link", { name: "Open full log" }), "**/log?attempt=1");
  const log = page.getByRole("log");
  const fold = (name) => log.getByRole("button", { name });
  const line = (n) => page.locator(`#L${n}`);

  // It opens at the failure; above it two phases are a line each.
  await visit.says(log, "line 700 of 700", "==> ERROR: A failure occurred");
  await log.focus();
  await page.keyboard.press("Home");
  await visit.says(fold(/Starting prepare/), /▸ 700 lines in \d/);
  await visit.says(fold(/Starting build/), "▸ 700 lines");
  same(await fold(/Starting package/).getAttribute("aria-expanded"), "true", "whether the phase that failed is open");
  same(await line(4).count(), 0, "lines of a folded phase");
  await visit.look(); // with folded phases

  // By keyboard one opens, and folds again.
  await fold(/Starting prepare/).focus();
  await page.keyboard.press("Enter");
  await visit.says(line(4), "line 1 of 700");
  same(await fold(/Starting prepare/).getAttribute("aria-expanded"), "true", "whether it is open");
  same(await consecutive(page), true, "whether the lines of an open phase are consecutive");
  await fold(/Starting prepare/).focus();
  await page.keyboard.press(" ");
  await line(4).waitFor({ state: "detached" });
  await visit.says(fold(/Starting build/), "▸ 700 lines");

  // What is found opens its phase, and so do a line's number and a link to it.
  await page.getByLabel("Search this log").fill("line 350 of");
  await page.getByLabel("Search this log").press("Enter");
  await visit.says(page.locator(".log-chosen"), "line 350 of 700");
  same(await page.locator(".log-chosen").getAttribute("id"), "L353", "the line that was found");
  const address = new URL(page.url());
  address.hash = "#L1000";
  await page.goto(`${address.pathname}?attempt=1${address.hash}`);
  await page.reload();
  await visit.says(page.locator(".log-chosen"), "line 296 of 700");
  await page.getByRole("region", { name: "Phases" }).getByRole("link", { name: /prepare/ }).click();
  await visit.says(line(4), "line 1 of 700");

  // All at once.
  await page.getByRole("button", { name: "Fold phases" }).click();
  await line(4).waitFor({ state: "detached" });
  same(await page.getByRole("button", { name: "Fold phases" }).getAttribute("aria-pressed"), "true", "whether they are folded");
  await log.focus();
  await page.keyboard.press("z");
  await visit.says(line(4), "line 1 of 700");
  await page.keyboard.press("End");
  await visit.says(line(2107), "==> ERROR: A failure occurred");
});

/** Whether each line in the page follows the one before it, up to the next folded phase. */
function consecutive(page) {
  return page.locator(".log-line").evaluateAll((rows) =>
    rows.every((row, i) => i === 0 || rows[i - 1].querySelector(".log-fold[aria-expanded=false]") || Number(row.id.slice(1)) === Number(rows[i - 1].id.slice(1)) + 1));
}

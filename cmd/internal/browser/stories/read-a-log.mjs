// The page of a log follows it while it is written, leads to the error when it
// comes, finds lines, and links to them; the page stays small, and the keyboard
// does all of it.
import { create, push, same, story, workerComes } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  await push({ name: "zeppelin", version: "7.4", fake: ["log-lines=6000", "sleep=20s", "outcome.1=failed", "message=out of gas"] });
  await create(visit, "zeppelin", "airship");
  await workerComes("w1");
  await visit.follow(visit.row("zeppelin").getByRole("link"), "**/builds/*");
  await visit.follow(page.getByRole("link", { name: "Open full log" }), "**/log?attempt=1");
  await page.waitForFunction(() => document.title.startsWith("running · log of zeppelin"));
  await visit.mark();
  const log = page.getByRole("log");
  const line = (n) => page.locator(`#L${n}`);

  // It follows to the end, and says how it went.
  await inView(line(6002));
  await visit.says(line(6002), "line 6000 of 6000");
  await visit.look(); // while it runs
  const errors = page.getByRole("region", { name: /^Errors/ });
  await visit.says(errors, "==> ERROR: A failure occurred in build().", "out of gas");
  await visit.says(page.getByRole("list", { name: "Attempts" }), "failed");
  await page.waitForFunction(() => document.title.startsWith("failed · log of zeppelin"));
  await inView(line(6004));
  await visit.says(page.locator("#log-where"), / to (\d,\d+) of \1$/);

  // By keyboard to the beginning, through the log, and to the error.
  await log.focus();
  await page.keyboard.press("Home");
  await inView(line(1));
  for (const end = Date.now() + 60_000; (await lastLine(page)) < 2400; ) {
    if (Date.now() > end) throw new Error(`the log does not go on after line ${await lastLine(page)}`);
    await page.keyboard.press("PageDown");
  }
  const kept = await page.locator(".log-line").count();
  if (kept > 1600) throw new Error(`${kept} lines are in the page`);
  same(await consecutive(page), true, "whether the lines in the page are consecutive");
  await page.keyboard.press("n");
  await inView(line(6004));
  same(new URL(page.url()).hash, "#L6004", "address");
  await visit.says(page.locator(".log-chosen"), "ERROR");
  await visit.says(page.locator("#log-said"), "1 of 1");

  // Search, and from hit to hit.
  await page.getByLabel("Search this log").fill("LINE 123\\d of");
  await page.getByLabel("Regexp").check();
  await page.getByRole("search", { name: "This log" }).getByRole("button", { name: "Search" }).click();
  await visit.says(page.getByRole("region", { name: /^Found/ }), "line 1239 of 6000");
  await inView(page.locator(".log-chosen"));
  await log.focus();
  await page.keyboard.press("N");
  await page.keyboard.press("N");
  await inView(line(1234));
  await page.keyboard.press("P");
  await page.waitForFunction(() => location.hash === "#L1233");
  await visit.look(); // with hits

  // A wrong search says why.
  await page.getByLabel("Search this log").fill("(");
  await page.getByLabel("Search this log").press("Enter");
  await visit.says(page.getByRole("region", { name: /^Found/ }), "is no regular expression");

  // To a line by its number; a link to a range of lines.
  await page.getByLabel("Line", { exact: true }).fill("4000");
  await page.getByLabel("Line", { exact: true }).press("Enter");
  await inView(line(4000));
  await line(4002).locator(".log-number").click();
  await line(4005).locator(".log-number").click({ modifiers: ["Shift"] });
  same(new URL(page.url()).hash, "#L4002-L4005", "address of a range");
  await visit.isMarked();
  await page.reload();
  await visit.look();
  await inView(line(4003));
  same(await page.locator(".log-chosen").count(), 4, "lines that are marked");
  await page.getByRole("link", { name: "Last", exact: true }).click();
  await inView(line(6004));
  await page.getByRole("button", { name: "Wrap" }).click();
  same(await page.getByRole("button", { name: "Wrap" }).getAttribute("aria-pressed"), "false", "whether lines are wrapped");
  await page.getByLabel("Position in the log").fill("3000");
  await inView(line(3000));
});

/** Waits until an element is within the box of the log. */
async function inView(locator) {
  await locator.first().waitFor({ state: "attached" });
  const end = Date.now() + 60_000;
  const within = (e) => {
    const box = document.getElementById("log-box").getBoundingClientRect();
    const at = e.getBoundingClientRect();
    return at.top >= box.top - 2 && at.bottom <= box.bottom + 2;
  };
  while (!(await locator.first().evaluate(within))) {
    if (Date.now() > end) throw new Error(`never in view: ${locator}`);
    await new Promise(requestTick);
  }
}

const requestTick = (done) => setTimeout(done, 50);

/** The number of the last line that is in the page. */
function lastLine(page) {
  return page.locator(".log-line").last().evaluate((row) => Number(row.id.slice(1)));
}

/** Whether each line in the page follows the one before it. */
function consecutive(page) {
  return page.locator(".log-line").evaluateAll((rows) => rows.every((row, i) => i === 0 || Number(row.id.slice(1)) === Number(rows[i - 1].id.slice(1)) + 1));
}

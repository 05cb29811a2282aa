// Every page reads and every form works without JavaScript: create, look, retry,
// edit, stop and start.
import { create, push, same, story, workerComes } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  await push({ name: "zeppelin", version: "7.4", fake: ["log-lines=2000", "outcome.1=failed", "message=out of gas"] });
  await create(visit, "zeppelin", "airship");
  same(await page.evaluate(() => document.documentElement.classList.contains("script")), false, "whether the page's script ran");
  await workerComes("w1");
  await until(visit, () => visit.row("zeppelin").filter({ hasText: "failed" }));
  await visit.look();
  await visit.follow(visit.row("zeppelin").getByRole("link"), "**/builds/*");
  await visit.says(page.locator("div.alert"), "out of gas");
  await visit.says(page.getByRole("log"), "ERROR: A failure occurred in build().");
  await readLog(visit, page.url());
  await page.getByRole("button", { name: "Retry" }).click();
  await until(visit, () => page.getByRole("heading", { level: 1, name: /^zeppelin 7.4-1 built/ }));
  await visit.look();
  await visit.says(page.getByRole("region", { name: "Packages" }), "zeppelin");
  await visit.open("/");
  await visit.says(page.getByRole("region", { name: "Buildspaces" }), "airship");

  await visit.open("/buildspaces/airship");
  await visit.follow(page.getByRole("link", { name: "Edit", exact: true }), "**/airship/edit");
  await page.getByLabel("Changesets", { exact: true }).fill("zeppelin\nlibcalc");
  await page.getByRole("button", { name: "Show plan" }).click();
  await visit.says(page.getByRole("region", { name: "Compared with #1" }), "Added", "atlas");
  await visit.follow(page.getByRole("button", { name: "Save and start a new iteration" }), "**/buildspaces/airship");
  await until(visit, () => page.getByRole("heading", { level: 1, name: /airship #2/ }));
  await page.locator("summary", { hasText: "More" }).click();
  await page.locator("summary", { hasText: "Stop…" }).click();
  await page.getByRole("button", { name: "Stop airship", exact: true }).click();
  await visit.says(page.locator(".word"), "airship is stopped");
  await visit.says(page.locator(".note"), "This buildspace is stopped");
  await page.getByRole("button", { name: "Start again" }).click();
  await until(visit, () => page.getByRole("heading", { level: 1, name: /airship #2/ }));

  // The list is found, sorted and filtered by the server.
  await page.getByRole("columnheader", { name: "Package" }).getByRole("link").click();
  await visit.says(page.locator("#builds tbody tr").first(), "abacus");
  await page.getByLabel("Package contains").fill("zepp");
  await page.getByRole("button", { name: "Filter" }).click();
  await visit.sees(visit.row("zeppelin"));
  same(await page.locator("#builds tbody tr").count(), 1, "builds whose name contains zepp");
  for (const path of [
    "/buildspaces", "/sources", "/workers", "/packages/zeppelin", "/buildspaces/airship/1/x86_64/graph",
    "/buildspaces/airship/2/diff", "/compare?a=base&b=airship/2", "/buildspaces/airship/activity", "/search?q=zeppelin",
  ]) {
    await visit.open(path);
    await visit.sees(page.getByRole("heading", { level: 1 }));
  }
}, { javaScriptEnabled: false });

/** Loads the page again, as a person does, until something is to be seen. */
async function until(visit, what) {
  const end = Date.now() + 60_000;
  while (!(await what().isVisible())) {
    if (Date.now() > end) throw new Error(`never to be seen: ${what()}`);
    await visit.page.reload();
  }
}

/** Goes through the log by links and forms, and back to the build. */
async function readLog(visit, build) {
  const { page } = visit;
  const log = page.getByRole("log");
  await visit.follow(page.getByRole("link", { name: "Open full log" }), "**/log?attempt=1");
  await visit.says(log, "ERROR: A failure occurred in build().");
  await visit.follow(page.getByRole("link", { name: "First", exact: true }), "**/log?*from=1");
  await visit.says(log, "line 1 of 2000");
  await visit.follow(page.getByRole("link", { name: "Later", exact: true }), "**/log?*from=401");
  await visit.says(log, "line 500 of 2000");
  await visit.follow(page.getByRole("region", { name: /^Errors/ }).getByRole("link", { name: /makepkg/ }), "**/log?*#L*");
  await visit.says(page.locator(".log-chosen"), "ERROR: A failure occurred");
  await page.getByLabel("Line", { exact: true }).fill("1236");
  await visit.follow(page.getByRole("button", { name: "Go" }), "**/log?*line=1236");
  await visit.says(page.locator(".log-chosen"), "1234");
  await page.getByLabel("Search this log").fill("LINE 777 OF");
  await visit.follow(page.getByRole("search", { name: "This log" }).getByRole("button", { name: "Search" }), "**/log?*q=LINE*");
  await visit.follow(page.getByRole("region", { name: /^Found/ }).getByRole("link", { name: /line 777 of 2000/ }), "**/log?*#L779");
  await visit.says(page.locator(".log-chosen"), "line 777 of 2000");
  await visit.open(build);
}

// Somebody without a mouse: creates a buildspace with the plan in view, finds
// the root cause of a blocked build from the home page in three steps, retries
// it, and edits the changesets. Every step is a key.
import { enter, push, reach, same, story, workerComes } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  const keys = page.keyboard;
  await push({ name: "abacus", version: "2.1", depends: ["libcalc"], fake: ["outcome.1=failed", "message=undefined reference to calc_add"] });
  await visit.open("/");

  // The first Tab stop leads past the frame; "/" leads to the search from anywhere.
  await keys.press("Tab");
  same(await focused(page), "Skip to the content", "the first stop");
  await keys.press("Enter");
  same(await page.evaluate(() => document.activeElement.id), "content", "where the skip link leads");
  await keys.press("/");
  same(await page.evaluate(() => document.activeElement.id), "site-q", "where the slash leads");
  await keys.press("Escape");

  await enter(visit, page.getByRole("link", { name: "New buildspace" }), "**/buildspaces/new");
  await reach(page, page.getByLabel("Changesets", { exact: true }));
  await keys.type("libcalc");
  await reach(page, page.getByLabel("Name", { exact: true }));
  await keys.type("bump");
  await reach(page, page.getByRole("radio", { name: /^auto/ }));
  await keys.press("ArrowDown");
  same(await page.getByRole("radio", { name: /^none/ }).isChecked(), true, "whether the arrow chose the next scope");
  await keys.press("ArrowUp");
  await enter(visit, page.getByRole("button", { name: "Show plan" }), "**/buildspaces/new");
  await visit.sees(page.getByRole("region", { name: /^Plan: 4 builds/ }));
  await enter(visit, page.getByRole("button", { name: "Create with 4 builds" }), "**/buildspaces/bump");

  await workerComes("w1");
  await visit.says(visit.row("abacus"), "failed");

  // From home to the cause of what is blocked in three steps.
  await visit.open("/");
  await visit.says(page.getByRole("region", { name: "Needs attention" }), "abacus", "blocks 2 builds");
  await enter(visit, page.getByRole("region", { name: "Buildspaces" }).getByRole("link", { name: "bump", exact: true }), "**/buildspaces/bump");
  await enter(visit, visit.row("atlas").getByRole("link", { name: "atlas", exact: true }), "**/builds/*");
  await enter(visit, page.locator("main .alert").getByRole("link", { name: "abacus" }), "**/builds/*");
  await visit.sees(page.getByRole("heading", { level: 1, name: /^abacus 2.1-1 failed/ }));
  await enter(visit, page.getByRole("button", { name: "Retry" }), page.url());
  await visit.mark();
  await visit.sees(page.getByRole("heading", { level: 1, name: /^abacus 2.1-1 built/ }));
  await visit.isMarked();

  await visit.open("/buildspaces/bump");
  await enter(visit, page.getByRole("link", { name: "Edit", exact: true }), "**/bump/edit");
  await reach(page, page.getByLabel("Changesets", { exact: true }));
  await keys.press("Control+End");
  await keys.type("\nzeppelin");
  await enter(visit, page.getByRole("button", { name: "Show plan" }), "**/bump/edit");
  await visit.says(page.getByRole("region", { name: "Compared with #1" }), "Added: zeppelin");
  await enter(visit, page.getByRole("button", { name: "Save and start a new iteration" }), "**/buildspaces/bump");
  await visit.sees(page.getByRole("heading", { level: 1, name: /bump #2/ }));

  // What is done rarely is in a menu that opens with a key, and says what it does.
  await reach(page, page.locator("summary", { hasText: "More" }));
  await keys.press("Enter");
  await visit.sees(page.getByText("What is built stays."));
  await reach(page, page.locator("summary", { hasText: "Stop…" }));
  await keys.press("Enter");
  await enter(visit, page.getByRole("button", { name: "Stop bump", exact: true }), "**/buildspaces/bump");
  await visit.says(page.locator(".note"), "This buildspace is stopped");
});

/** What has the focus, by its text. */
function focused(page) {
  return page.evaluate(() => document.activeElement.textContent.trim());
}

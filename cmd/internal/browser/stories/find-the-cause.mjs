// Something is blocked. Whose turn is it? Three clicks from the home page lead
// to the build that failed, its reason and its log; tried again, it and what
// waited for it are built, while the page stays where it is.
import { create, push, same, story, workerComes } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  await push({ name: "abacus", version: "2.1", depends: ["libcalc"], fake: ["outcome.1=failed", "message=undefined reference to calc_add"] });
  await create(visit, "libcalc", "bump");
  await workerComes("w1");
  await visit.says(visit.row("abacus"), "failed");
  await visit.look();

  let clicks = 0;
  const click = async (target, address) => {
    clicks++;
    await visit.follow(target, address);
  };
  await visit.open("/");
  await visit.says(page.getByRole("region", { name: "Needs attention" }), "abacus", "blocks 2 builds");
  await click(page.getByRole("region", { name: "Buildspaces" }).getByRole("link", { name: "bump", exact: true }), "**/buildspaces/bump");
  await visit.says(page.getByRole("region", { name: "Fix these first" }), "abacus", "blocks 2 builds");
  await click(visit.row("atlas").getByRole("link", { name: "atlas", exact: true }), "**/builds/*");
  const cause = page.locator("main .alert");
  await visit.says(cause, "This build is blocked by abacus (failed)");
  await click(cause.getByRole("link", { name: "abacus" }), "**/builds/*");
  same(clicks, 3, "clicks from the home page to the cause");

  await visit.sees(page.getByRole("heading", { level: 1, name: /^abacus 2.1-1 failed/ }));
  await visit.says(page.locator("div.alert"), "undefined reference to calc_add", "2 builds cannot start because of it");
  await visit.says(page.getByRole("log"), "ERROR: A failure occurred in build().");

  const here = page.url();
  await Promise.all([page.waitForResponse((r) => r.url().endsWith("/retry")), page.getByRole("button", { name: "Retry" }).click()]);
  await page.waitForURL(here);
  await visit.mark();
  await visit.sees(page.getByRole("heading", { level: 1, name: /^abacus 2.1-1 built/ }));
  await visit.isMarked();
  await visit.look();
  const attempts = page.getByRole("region", { name: "Attempts" }).getByRole("row");
  await visit.says(attempts, "undefined reference to calc_add");
  same(await attempts.count(), 3, "rows of the table of attempts, with its head");

  await visit.open("/buildspaces/bump");
  await visit.says(visit.row("atlas"), "built");
  await visit.open("/");
  await visit.sees(page.getByText("Nothing needs attention."));
});

// A packager sees what a changed library makes necessary, creates the
// buildspace, and watches it being built without loading the page again.
import { same, story, workerComes } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  await visit.open("/");
  await visit.sees(page.getByText("Nothing is being rebuilt."));
  await visit.follow(page.getByRole("link", { name: "New buildspace" }), "**/buildspaces/new");
  await visit.sees(page.getByText("Nothing is built before you have seen it."));

  // A slip first: the form comes back as it was, with the fault at its field.
  visit.expectRefusal(404);
  await page.getByLabel("Changesets", { exact: true }).fill("libclac");
  await page.getByRole("button", { name: "Show plan" }).click();
  await visit.says(page.getByRole("alert"), "libclac");
  await visit.look();
  same(await page.getByLabel("Changesets", { exact: true }).inputValue(), "libclac", "what was filled in");

  // The plan, before anything exists.
  await page.getByLabel("Changesets", { exact: true }).fill("libcalc");
  await page.getByRole("button", { name: "Show plan" }).click();
  const plan = page.getByRole("region", { name: /^Plan: 4 builds/ });
  await visit.sees(plan);
  await visit.look();
  await visit.says(plan, "1 source cannot be read", "broken", "Longest chain", "Level 0, at once", "Level 3");
  for (const [scope, count] of [["none", "1"], ["direct", "2"], ["all", "4"]]) {
    const figure = plan.locator("dl.figures > div").filter({ hasText: scope });
    same((await figure.locator("dd").innerText()).trim(), count, `builds with scope ${scope}`);
  }
  await visit.open("/buildspaces");
  await visit.sees(page.getByText("There is no buildspace yet."));
  await page.goBack();
  await visit.sees(plan);

  await visit.follow(page.getByRole("button", { name: "Create with 4 builds" }), "**/buildspaces/libcalc");
  await visit.mark();
  await visit.says(visit.row("libcalc"), "pending");
  await visit.says(visit.row("abacus"), "waiting");
  await visit.says(visit.row("atlas"), "waiting");

  await workerComes("w1");
  await visit.says(visit.row("abacus"), "built");
  await visit.says(visit.row("atlas"), "built");
  await visit.sees(page.getByRole("heading", { level: 1, name: /libcalc #1 built/ }));
  await visit.isMarked();
  await page.waitForFunction(() => document.title.startsWith("✓ built · libcalc"));
  await page.waitForFunction(() => document.querySelector("link[rel=icon]").href.includes("icon-built"));
  await visit.look();

  // In the background the page does not ask; when it is looked at again, it asks at once.
  const stopped = await page.evaluate(() => new Promise((resolve) => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.addEventListener("htmx:before:request", (event) => setTimeout(() => resolve(event.defaultPrevented)), { once: true });
  }));
  same(stopped, true, "whether a page in the background stops asking");
  const asks = page.waitForRequest((r) => r.headers()["hx-request"] === "true");
  await page.evaluate(() => {
    delete document.hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  same((await (await asks).response()).status(), 304, "the answer when nothing has changed meanwhile");

  // The graph, and the package that pacman will get.
  await visit.follow(page.getByRole("link", { name: "Graph x86_64" }), "**/libcalc/1/x86_64/graph");
  await visit.sees(page.locator("main table").getByRole("link", { name: "abacus", exact: true }));
  await visit.open("/buildspaces/libcalc");
  await visit.follow(visit.row("abacus").getByRole("link", { name: "abacus", exact: true }), "**/builds/*");
  const packages = page.getByRole("region", { name: "Packages" });
  await visit.says(packages, "abacus", "2.1-1", "x86_64");
  const [download] = await Promise.all([page.waitForEvent("download"), packages.getByRole("link", { name: /^Download/ }).click()]);
  same(download.suggestedFilename(), "abacus-2.1-1-x86_64.pkg.tar.zst", "the downloaded file");
  await visit.follow(packages.getByRole("link", { name: "abacus", exact: true }), "**/packages/abacus");
});

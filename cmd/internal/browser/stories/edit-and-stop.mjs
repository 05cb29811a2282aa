// Changesets are edited with the new plan in view; the buildspace is stopped and
// started again; a push makes an iteration by itself.
import { create, push, story, workerComes } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  await create(visit, "town", "walls");
  await visit.sees(page.getByRole("heading", { level: 1, name: /walls #1/ }));

  await visit.follow(page.getByRole("link", { name: "Edit", exact: true }), "**/buildspaces/walls/edit");
  await page.getByLabel("Changesets", { exact: true }).fill("town\nzeppelin");
  await page.getByRole("button", { name: "Show plan" }).click();
  await visit.says(page.getByRole("region", { name: /^Plan: 3 builds/ }), "zeppelin", "atlas");
  await visit.look();
  await visit.follow(page.getByRole("button", { name: "Save and start a new iteration" }), "**/buildspaces/walls");
  await visit.mark();
  await visit.sees(page.getByRole("heading", { level: 1, name: /walls #2/ }));
  await visit.says(visit.row("zeppelin"), "pending");
  await visit.says(page.getByRole("region", { name: "Since #1" }), "Added: zeppelin");
  await visit.isMarked();

  // Somebody pushes: the page shows the iteration that follows from it.
  await push({ name: "zeppelin", version: "8.0" });
  await visit.sees(page.getByRole("heading", { level: 1, name: /walls #3/ }));
  await visit.says(page.getByRole("region", { name: "Since #2" }), "7.3-1 → 8.0-1");
  await visit.isMarked();
  await visit.look();

  await page.locator("summary", { hasText: "More" }).click();
  await visit.look();
  await page.locator("summary", { hasText: "Stop…" }).click();
  await visit.sees(page.getByText("Stop walls? 3 builds are running or waiting."));
  await visit.look();
  await press(visit, "Stop walls");
  await visit.says(page.locator(".word"), "walls is stopped", "Take it back");
  await visit.says(page.locator(".note"), "This buildspace is stopped");
  await visit.says(visit.row("zeppelin"), "skipped: stopped");
  await visit.look();
  await workerComes("w1");
  await visit.open("/workers");
  await visit.says(page.getByRole("listitem"), "w1");

  await visit.open("/buildspaces/walls");
  await press(visit, "Start again");
  await visit.sees(page.getByRole("heading", { level: 1, name: /walls #3 built/ }));
  await visit.says(visit.row("atlas"), "built");
  await visit.look();
  await visit.follow(page.getByRole("region", { name: "Iterations" }).getByRole("link", { name: "#2" }), "**/buildspaces/walls/2");
  await visit.says(page.locator(".note"), "Replaced by a newer iteration: #3");
  await visit.open("/sources");
  await visit.says(page.getByRole("listitem"), "broken", "line 3: not of the form key = value");
});

/** Presses a button of the page's head; the page comes back. */
async function press(visit, name) {
  const { page } = visit;
  await Promise.all([page.waitForEvent("load"), page.getByRole("button", { name, exact: true }).click()]);
}

// Somebody without a mouse looks at a graph of 3,000 builds: finds one, walks
// along its edges, looks at another's surroundings, and sees what happens to it
// meanwhile without loading the page again.
import { reach, same, story } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  const keys = page.keyboard;
  const graph = page.getByRole("region", { name: "Picture of the build graph" });
  const about = page.getByRole("complementary", { name: "About a build" });
  const tells = (name) => visit.sees(about.getByRole("heading", { level: 2, name, exact: true }));
  const focusIs = (name) => page.waitForURL((url) => url.searchParams.get("view") === "near" && url.searchParams.get("focus") === name);

  await visit.open("/buildspaces/distribution/1/x86_64/graph");
  const canvas = graph.getByRole("application");
  await visit.sees(canvas);
  await page.waitForFunction(() => document.getElementById("graph").dataset.drawn?.startsWith("near "));
  await visit.says(page.locator("main"), "of 3,000 builds, those around");
  await visit.look();
  await visit.mark();

  // Found by a part of its name; the focus comes back to the picture.
  await reach(page, canvas);
  await keys.press("/");
  await keys.type("g00007");
  await visit.sees(page.getByRole("option").first().and(page.getByRole("option", { name: /^pkg00007/ }))); // not one of what "g0000" found
  await visit.look();
  await keys.press("Enter");
  await focusIs("pkg00007");
  await tells("pkg00007");
  same(await page.evaluate(() => document.activeElement.tagName), "CANVAS", "where the focus is after a search");

  // Along an edge to something that waits for it, and to that one's surroundings.
  const said = graph.locator("#graph-says");
  await visit.says(said, /^pkg00007,/);
  await keys.press("ArrowRight");
  await visit.says(said, /^pkg\d+, (waiting|blocked), level \d+, \d+ dependenc(y|ies), \d+ dependents?$/);
  const next = (await said.textContent()).split(",")[0];
  if (next === "pkg00007") throw new Error("the arrow led nowhere");
  await tells(next);
  await keys.press("f");
  await focusIs(next);
  await visit.says(about.getByRole("listitem"), "pkg00007");
  await keys.press("ArrowLeft");
  await visit.says(said, /^pkg\d+,/);
  for (const key of ["ArrowUp", "ArrowDown", "+", "-", "Shift+ArrowLeft", "0"]) await keys.press(key);
  await keys.press("?");
  await visit.sees(graph.getByText("along an edge"));
  await visit.look();
  await keys.press("Escape");
  await visit.seesNo(graph.getByText("along an edge"));

  // Everything; the address leads others to the same look.
  await reach(page, graph.getByRole("link", { name: "Everything" }));
  await keys.press("Enter");
  await page.waitForFunction(() => document.getElementById("graph").dataset.drawn === "all 3000");
  await page.waitForURL(/view=all/);

  // Somebody else cancels what is looked at.
  await reach(page, graph.getByRole("combobox"));
  await keys.type("pkg00000");
  await keys.press("Enter");
  await tells("pkg00000");
  await visit.says(about, "pending");
  const build = new URL(await about.getByRole("heading", { level: 2 }).getByRole("link").getAttribute("href"), page.url());
  await cancel(build);
  await visit.says(about, "skipped");
  await visit.says(page.getByRole("region", { name: "Progress" }), "1 skipped");
  await visit.says(said, /^pkg00000, skipped/);
  await visit.isMarked();
  await visit.look();

  // Enter opens it.
  same(await page.evaluate(() => document.activeElement.tagName), "CANVAS", "where the focus is");
  await Promise.all([page.waitForURL(build.href), keys.press("Enter")]);
  await visit.look();
});

/** Cancels a build as the form on its page does. */
async function cancel(build) {
  const answer = await fetch(`${build}/cancel`, { method: "POST", redirect: "manual", headers: { authorization: `Bearer ${process.env.STORY_TOKEN}` } });
  if (answer.status !== 303) throw new Error(`cancel: ${answer.status} ${await answer.text()}`);
}

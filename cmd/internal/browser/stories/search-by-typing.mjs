// Somebody looks for a package by typing: the field suggests names, arrow keys
// choose, Escape gives the field back, and Enter without a choice searches.
import { same, story } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  const keys = page.keyboard;
  const list = page.getByRole("listbox", { name: "Suggestions" });
  const field = page.getByRole("combobox", { name: /search/i });
  await visit.open("/");
  await keys.press("/");
  await keys.type("libca");
  await visit.sees(list.getByRole("option", { name: /libcalc/ }));
  await visit.look();
  same(await field.getAttribute("aria-expanded"), "true", "whether the field says that there is a list");

  await keys.press("ArrowDown");
  const chosen = await field.getAttribute("aria-activedescendant");
  same(await page.locator(`[id="${chosen}"]`).getAttribute("aria-selected"), "true", "whether the arrow chose");
  await keys.press("Escape");
  await visit.seesNo(list);
  same(await page.evaluate(() => document.activeElement.id), "site-q", "where Escape leaves the focus");

  await keys.press("ArrowDown"); // opens the list again
  await Promise.all([page.waitForURL("**/packages/libcalc"), keys.press("Enter")]);
  await visit.look();
  await visit.sees(page.getByRole("heading", { level: 1, name: /libcalc/ }));

  // What several names have is a page of results; one exact name is its page.
  await keys.press("/");
  await keys.type("a");
  await Promise.all([page.waitForURL("**/search?q=a"), keys.press("Enter")]);
  await visit.look();
  await visit.sees(page.getByRole("main").getByRole("link", { name: "abacus", exact: true }));
  await keys.press("/");
  await keys.press("Control+a");
  await keys.type("atlas");
  await visit.sees(list.getByRole("option", { name: /atlas/ }));
  await Promise.all([page.waitForURL("**/packages/atlas"), keys.press("Enter")]);
  await visit.look();
});

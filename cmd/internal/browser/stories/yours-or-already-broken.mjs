// Two packages fail after a change of libcalc: abacus because of it, zeppelin whatever it is
// built with. Idle workers compare both with the base by themselves; from then on every page
// says which of them is mine, and I fix that one alone.
import { create, push, same, story, workerComes } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  await push({
    name: "abacus", version: "2.1", depends: ["libcalc"],
    fake: ["outcome=failed", "outcome.base=built", "message=abacus.c:12: undefined reference to `calc_legacy_sum'"],
  });
  await push({ name: "zeppelin", version: "7.4", depends: ["libcalc"], fake: ["outcome=failed", "message=zeppelin.c:7:3: error: unknown type name 'gas'"] });
  await known(visit, "zeppelin", "7.4");
  await known(visit, "abacus", "2.1");
  await create(visit, "libcalc", "bump");

  // The verdicts appear on the page that is open.
  await workerComes("w1");
  await visit.says(visit.row("abacus"), "failed", "yours");
  await visit.says(visit.row("zeppelin"), "failed", "already broken");
  await visit.look();

  // Home: mine comes first.
  await visit.open("/");
  const needs = page.getByRole("region", { name: "Needs attention" });
  await visit.says(needs, "1 yours", "1 already broken", "abacus.c:12: undefined reference", "zeppelin.c:7:3: error");
  const names = await needs.locator("li .strong").allTextContents();
  same(names.indexOf("abacus") < names.indexOf("zeppelin"), true, "whether mine comes before what was broken");

  // The list of mine alone, and why.
  await visit.open("/buildspaces/bump");
  await visit.follow(page.locator(".overview .verdicts").getByRole("link", { name: /1 yours/ }), "**/buildspaces/bump?*verdict=yours*");
  same(await page.locator("#builds tbody tr").count(), 1, "builds in the list of mine");
  await visit.follow(visit.row("abacus").getByRole("link", { name: "abacus", exact: true }), "**/builds/*");
  const fault = page.locator(".whose-fault");
  await visit.says(fault, "abacus fails with this change, builds without it (base of", "Built without this change: built.");
  await visit.follow(fault.getByRole("link", { name: "Built without this change" }), "**/builds/*");
  await visit.sees(page.getByRole("heading", { level: 1, name: /^baseline of abacus 2.1-1 built/ }));

  // What was broken before, with the errors of both builds.
  await visit.open("/buildspaces/bump?verdict=already-broken");
  await visit.follow(visit.row("zeppelin").getByRole("link", { name: "zeppelin", exact: true }), "**/builds/*");
  await visit.says(fault, "zeppelin fails without it, too.", "Built without this change: failed.");
  await visit.says(page.getByRole("list", { name: /Why it fails without this change/ }), "zeppelin.c:7:3: error: unknown type name 'gas'");

  // I fix mine; the other one stays as it was, and is not compared again.
  await push({ name: "abacus", version: "2.2", depends: ["libcalc"] });
  await visit.open("/");
  await visit.says(needs, "newer commit", "version 2.2");
  const mine = needs.getByRole("listitem").filter({ hasText: "newer commit" });
  await visit.follow(mine.getByRole("button", { name: "Build with my fix" }), "**/buildspaces/bump");
  await visit.says(visit.row("abacus"), "built");
  await visit.says(visit.row("zeppelin"), "already broken");
});

/** Waits until the server has read a version of a source. */
async function known(visit, name, version) {
  const end = Date.now() + 120_000;
  for (;;) {
    const answer = await visit.page.request.get(`/api/v1/sources?q=${name}`);
    if ((await answer.text()).includes(`"${version}-1"`)) return;
    if (Date.now() > end) throw new Error(`${name} ${version} is never read`);
  }
}

// The morning after: abacus failed, its source is no changeset. The fix is pushed, and three
// presses from the home page lead to a green build.
import { create, push, same, story, workerComes } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  await push({ name: "abacus", version: "2.1", depends: ["libcalc"], fake: ["outcome=failed", "message=/build/abacus.c:12:10: fatal error: calc.h: No such file"] });
  await create(visit, "libcalc", "bump");
  await workerComes("w1");
  await visit.says(visit.row("abacus"), "failed");
  await push({ name: "abacus", version: "2.2", depends: ["libcalc"] });

  await visit.open("/");
  const needs = page.getByRole("region", { name: "Needs attention" });
  await visit.says(needs, "abacus", "fatal error: calc.h: No such file", "newer commit", "version 2.2");
  let presses = 0;
  const press = async (target, address) => {
    presses++;
    await visit.follow(target, address);
  };
  await press(needs.getByRole("button", { name: "Build with my fix" }), "**/buildspaces/bump");
  await visit.sees(page.getByRole("heading", { level: 1, name: /bump #2/ }));
  await visit.says(visit.row("abacus"), "built");
  await press(visit.row("abacus").getByRole("link", { name: "abacus", exact: true }), "**/builds/*");
  await visit.sees(page.getByRole("heading", { level: 1, name: /^abacus 2.2-1 built/ }));
  if (presses > 3) throw new Error(`${presses} presses to a green build`);
  await visit.open("/buildspaces/bump");
  await visit.says(visit.row("atlas"), "built");
  same(await page.getByRole("region", { name: "Fix these first" }).count(), 0, "lists of what to fix");
});

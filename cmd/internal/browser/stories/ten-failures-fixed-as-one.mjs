// Ten packages fail for one reason. They are one group, and one press builds all with their
// fixes in one new iteration; without JavaScript, as with it.
import { create, push, same, story, workerComes } from "../story.mjs";

const names = Array.from({ length: 10 }, (_, i) => `uses-calc-${i}`);

await story(async (visit) => {
  const { page } = visit;
  for (const [i, name] of names.entries()) {
    await push({ name, version: "1", depends: ["libcalc"], fake: ["outcome=failed", `message=/build/${name}/main.c:${i + 3}:10: fatal error: calc.h: No such file`] });
  }
  for (let i = 0; !(await known(visit, names.at(-1))); i++) if (i > 600) throw new Error("the sources are never read");
  await create(visit, "libcalc", "bump");
  await workerComes("w1");
  const group = page.locator(".same-cause");
  await until(visit, () => group.getByText("10 builds:"));
  await visit.says(group, "calc.h: No such file", "uses-calc-0", "uses-calc-9");
  for (const name of names) await push({ name, version: "2", depends: ["libcalc"] });
  await visit.follow(group.getByRole("button", { name: "Build these 10 with my fixes" }), "**/buildspaces/bump");
  await until(visit, () => page.getByRole("heading", { level: 1, name: /bump #2 built/ }));
  await visit.look();
  await visit.says(page.locator(".page-head"), "Builds with fixes, asked for by");
  same(await page.getByRole("heading", { level: 1, name: /bump #3/ }).count(), 0, "further iterations");
  for (const name of names) await visit.says(visit.row(name), "built");
}, { javaScriptEnabled: false });

async function known(visit, name) {
  const answer = await visit.page.request.get(`/api/v1/sources?q=${name}`);
  return (await answer.text()).includes(`"${name}"`);
}

/** Loads the page again, as a person does, until something is to be seen. */
async function until(visit, what) {
  const end = Date.now() + 120_000;
  while (!(await what().isVisible())) {
    if (Date.now() > end) throw new Error(`never to be seen: ${what()}`);
    await visit.page.reload();
  }
}

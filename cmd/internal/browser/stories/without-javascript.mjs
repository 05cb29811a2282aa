// Every page reads and every form works without JavaScript: create, look, retry.
import { create, push, same, story, workerComes } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  await push({ name: "zeppelin", version: "7.4", fake: ["outcome.1=failed", "message=out of gas"] });
  await create(visit, "zeppelin", "airship");
  same(await page.evaluate(() => document.documentElement.classList.contains("script")), false, "whether the page's script ran");
  await workerComes("w1");
  await until(visit, () => visit.row("zeppelin").filter({ hasText: "failed" }));
  await visit.look();
  await visit.follow(visit.row("zeppelin").getByRole("link"), "**/builds/*");
  await visit.says(page.locator("div.alert"), "out of gas");
  await visit.says(page.getByRole("log"), "ERROR: A failure occurred in build().");
  await page.getByRole("button", { name: "Retry" }).click();
  await until(visit, () => page.getByRole("heading", { level: 1, name: /^zeppelin 7.4-1 built/ }));
  await visit.look();
  await visit.says(page.getByRole("region", { name: "Packages" }), "zeppelin");
  await visit.open("/");
  await visit.says(page.getByRole("region", { name: "Buildspaces" }), "airship");
  for (const path of ["/buildspaces", "/sources", "/workers", "/packages/zeppelin", "/buildspaces/airship/1/x86_64/graph"]) {
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

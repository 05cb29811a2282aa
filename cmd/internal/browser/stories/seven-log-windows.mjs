// Somebody watches seven builds in seven windows, all seen at the same time: the
// browser has connections left for the next page, and what happens shows in all.
import { create, push, same, story, workerComes } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  const windows = 7;
  await push({ name: "zeppelin", version: "7.4", fake: ["log-lines=50", "sleep=30s"] });
  await create(visit, "zeppelin", "airship");
  await workerComes("w1");
  await visit.follow(visit.row("zeppelin").getByRole("link"), "**/builds/*");
  const build = new URL(page.url()).pathname;
  await visit.says(page.getByRole("log"), "line 10 of 50");
  await visit.open(`${build}/log`);

  const others = [];
  for (let i = 0; i < windows; i++) {
    const other = await page.context().newPage();
    await other.goto(`${build}/log`);
    await other.waitForFunction(() => document.title.startsWith("running · log of zeppelin"));
    // Pages of one headless window hide each other; these are seen side by side.
    same(await other.evaluate(() => document.hidden), false, "whether a window is hidden");
    others.push(other);
  }

  const began = Date.now();
  const next = await page.context().newPage();
  await next.goto("/", { waitUntil: "load" });
  const took = Date.now() - began;
  // Two seconds on a machine with nothing else to do; ten mean that it waited for a connection.
  if (took > 10_000) throw new Error(`with ${windows} logs open the next page took ${took} ms`);
  console.log(`the next page took ${took} ms`);

  await Promise.all(others.map((other) => other.waitForFunction(() => document.title.startsWith("built · log of zeppelin"))));
  await Promise.all(others.map((other) => other.getByText("==> Finished making: zeppelin 7.4-1").first().waitFor()));
});

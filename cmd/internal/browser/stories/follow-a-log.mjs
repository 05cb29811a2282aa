// The page of a build that has not begun stays open: the log appears when it
// begins, follows at its end, leaves a reader alone who has scrolled up, and
// says when all of it has come.
import { create, push, same, story, workerComes } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  await push({ name: "zeppelin", version: "7.4", fake: ["log-lines=3000", "sleep=4s"] });
  await create(visit, "zeppelin", "airship");
  await visit.says(visit.row("zeppelin"), "pending", "7.4-1");
  await visit.follow(visit.row("zeppelin").getByRole("link"), "**/builds/*");
  await visit.sees(page.getByRole("heading", { level: 1, name: /^zeppelin 7.4-1 pending/ }));
  await visit.mark();

  await workerComes("w1");
  const log = page.getByRole("log");
  await visit.says(log, "line 3000 of 3000");
  await visit.look(); // while it runs
  await visit.says(log, "==> Finished making: zeppelin 7.4-1");
  await visit.sees(page.getByRole("heading", { level: 1, name: /^zeppelin 7.4-1 built/ }));
  await visit.isMarked();
  await page.waitForFunction(() => {
    const box = document.getElementById("log");
    return box.scrollHeight > box.clientHeight && box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  });
  same(await log.locator(".log-more").count(), 0, "elements that ask for more of a log that has ended");

  const text = await log.innerText();
  same(text.match(/^line 3000 of 3000$/gm)?.length, 1, "how often the last line stands there");
  await visit.follow(page.getByRole("link", { name: "Open full log" }), "**/log?attempt=1");
  const raw = await page.request.get(await page.getByRole("link", { name: "Raw" }).getAttribute("href"));
  const lines = (await raw.text()).split("\n");
  same(lines.filter((l) => /^line \d+ of 3000$/.test(l)).length, 3000, "lines of the raw log");
  await visit.look();
});

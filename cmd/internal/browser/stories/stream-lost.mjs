// A browser without shared workers whose stream of hints breaks: first hints make
// the page ask at once, then it stays current by asking every few seconds.
import { create, same, story, workerComes, workerGoes } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  await page.addInitScript(() => {
    delete globalThis.SharedWorker;
    const Real = globalThis.EventSource;
    globalThis.streams = [];
    globalThis.EventSource = class extends Real {
      constructor(url) {
        super(url);
        globalThis.streams.push(this);
      }
    };
  });
  await create(visit, "zeppelin", "airship");
  await visit.mark();
  await page.waitForFunction(() => globalThis.streams.length === 1 && globalThis.streams[0].readyState === EventSource.OPEN);
  const hint = page.evaluate(() => new Promise((resolve) => globalThis.streams[0].addEventListener("message", (e) => resolve(e.data))));
  await workerComes("w1");
  same(await hint, "buildspace/airship", "what the hint is about");
  await visit.says(visit.row("zeppelin"), "built");
  await workerGoes("w1");

  // It breaks, and no other comes.
  await page.evaluate(() => {
    globalThis.EventSource = Object.assign(class { close() {} }, { CLOSED: 2 });
    const [stream] = globalThis.streams;
    stream.close();
    stream.onerror(new Event("error"));
  });
  const answer = await page.request.post(new URL(await visit.row("zeppelin").getByRole("link").first().getAttribute("href"), page.url()) + "/rebuild", {
    headers: { Origin: new URL(page.url()).origin }, maxRedirects: 0,
    form: { csrf: await page.locator("input[name=csrf]").first().inputValue() },
  });
  same(answer.status(), 303, "the answer to a rebuild");
  await visit.says(visit.row("zeppelin"), "pending");
  await visit.isMarked();

  // Hidden pages have no stream.
  await page.reload();
  await visit.look();
  await page.waitForFunction(() => globalThis.streams.length === 1 && globalThis.streams[0].readyState === EventSource.OPEN);
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.waitForFunction(() => globalThis.streams[0].readyState === EventSource.CLOSED);
});

// What all stories have in common: a browser whose console, requests and pages
// are watched, and the ways to make something happen outside of it.
//
// A story fails when a step does not come to pass in time, when the console
// complains (the content security policy does so there), when a script throws,
// when the server answers 5xx, when axe-core finds something serious, or when a
// page was visited that was not looked at with it.
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { chromium } from "playwright-core";

const { STORY_SERVER: server, STORY_TOKEN: token, STORY_STAGE: stage, STORY_PICTURES: pictures } = process.env;
const patience = 180_000; // ms for one step; machines may be busy

const flags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/**
 * Runs a story: tell gets a Visit. options are those of a browser context, and
 * signedIn: false for a browser that is not signed in as the user of the server.
 */
export async function story(tell, options = {}) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: flags });
  try {
    const context = await browser.newContext({ baseURL: server, reducedMotion: "reduce", ...options });
    context.setDefaultTimeout(patience);
    if (options.signedIn !== false) await signIn(context);
    // axe-core needs the page's own scripts; every page is looked at with them on.
    const axe = options.javaScriptEnabled === false ? null : await readAxe();
    const visit = new Visit(await context.newPage(), axe);
    try {
      await tell(visit);
      visit.judge();
    } catch (error) {
      await visit.keepPicture();
      throw error;
    }
  } finally {
    await browser.close();
  }
}

/** Signs the browser in, as 'bbtw open' does. */
async function signIn(context) {
  const asked = await context.request.post("/api/v1/sign-in-codes", { headers: { authorization: `Bearer ${token}` } });
  const { code } = await asked.json();
  const done = await context.request.post("/sign-in", { form: { code } });
  if (!done.ok()) throw new Error(`signing in was answered ${done.status()}`);
}

function readAxe() {
  return readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
}

/** One person's way through the site. */
class Visit {
  #axe;
  #complaints = [];
  #visited = new Set();
  #looked = new Set();
  #expected = []; // answers that the console may mention

  constructor(page, axe) {
    this.page = page;
    this.#axe = axe;
    page.on("console", (m) => this.#onConsole(m));
    page.on("pageerror", (e) => this.#complaints.push(`script: ${e.message}`));
    page.on("response", (r) => r.status() >= 500 && this.#complaints.push(`${r.status()} ${r.url()}`));
    // A poll that is under way when somebody follows a link is given up.
    page.on("requestfailed", (r) => {
      const why = r.failure().errorText;
      if (why !== "net::ERR_ABORTED") this.#complaints.push(`${why} ${r.url()}`);
    });
    page.on("framenavigated", (f) => f === page.mainFrame() && this.#visited.add(this.#here()));
  }

  #here() {
    return new URL(this.page.url()).pathname;
  }

  #onConsole(message) {
    if (!["error", "warning"].includes(message.type())) return;
    if (message.text().includes("Failed to fetch")) return; // see requestfailed
    if (this.#expected.some((status) => message.text().includes(`status of ${status}`))) return;
    this.#complaints.push(`console on ${this.#here()}: ${message.text()}`);
  }

  /** The story sends something wrong and expects to be told so. */
  expectRefusal(status) {
    this.#expected.push(status);
  }

  /** Opens a page and looks at it. */
  async open(path) {
    await this.page.goto(path);
    await this.look();
  }

  /** Clicks a link or button of this name that leads to an address, and looks at the page there. */
  async follow(target, address) {
    await Promise.all([this.page.waitForURL(address), target.click()]);
    await this.look();
  }

  /** Asks axe-core about the page as it is now. */
  async look() {
    this.#looked.add(this.#here());
    if (!this.#axe) return;
    const found = await this.page.evaluate(async (axe) => {
      if (!globalThis.axe) (0, eval)(axe);
      const result = await globalThis.axe.run(document, { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } });
      return result.violations.map((v) => ({ impact: v.impact, text: `${v.id}: ${v.help}: ${v.nodes[0].html.slice(0, 200)}` }));
    }, this.#axe);
    for (const v of found.filter((v) => ["serious", "critical"].includes(v.impact))) {
      this.#complaints.push(`axe on ${this.#here()}: ${v.impact}: ${v.text}`);
    }
  }

  /** From here on the page must not be loaded anew. */
  async mark() {
    await this.page.evaluate(() => { globalThis.stillHere = true; });
  }

  /** The page is still the one that was marked. */
  async isMarked() {
    if (!(await this.page.evaluate(() => globalThis.stillHere === true))) throw new Error("the page was loaded anew");
  }

  /** Waits until something is to be seen. */
  async sees(locator) {
    await locator.first().waitFor({ state: "visible" });
  }

  /** Waits until a region or row says this. */
  async says(locator, ...texts) {
    for (const text of texts) await this.sees(locator.filter({ hasText: text }));
  }

  /** Waits until something is to be seen no more. */
  async seesNo(locator) {
    await locator.first().waitFor({ state: "hidden" });
  }

  /** The row of a package in the table of builds. */
  row(pkgbase) {
    return this.page.locator("#builds").getByRole("row").filter({ has: this.page.getByRole("rowheader", { name: pkgbase, exact: true }) });
  }

  /** Ends the story: throws what was noticed on the way. */
  judge() {
    for (const path of this.#visited) {
      if (path.startsWith("/") && !this.#looked.has(path)) this.#complaints.push(`${path} was visited and never looked at with axe-core`);
    }
    if (this.#complaints.length > 0) throw new Error(`the story went well, but:\n  ${this.#complaints.join("\n  ")}`);
  }

  async keepPicture() {
    await mkdir(pictures, { recursive: true });
    const path = join(pictures, `${basename(process.argv[1], ".mjs")}.png`);
    await this.page.screenshot({ path, fullPage: true });
    console.log(`at ${this.page.url()}, see ${path}; noticed: ${this.#complaints.join("; ") || "nothing"}`);
    console.log((await this.page.locator("main").innerText()).slice(0, 3000));
  }
}

async function ask(method, path, body) {
  const answer = await fetch(stage + path, { method, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
}

/** A worker comes. */
export const workerComes = (name) => ask("POST", `/worker/${name}`);

/** A worker ends. */
export const workerGoes = (name) => ask("DELETE", `/worker/${name}`);

/** Somebody pushes to a source: {name, version, depends, fake}. */
export const push = (commit) => ask("POST", "/push", commit);

/** Somebody is in these groups at the provider from now on, and in no others. */
export const groups = (name, ...list) => ask("POST", "/groups", { Name: name, Groups: list });

/** Creates a buildspace through the pages and ends on its page. */
export async function create(visit, changesets, name) {
  const { page } = visit;
  await visit.open("/buildspaces/new");
  await page.getByLabel("Changesets", { exact: true }).fill(changesets);
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByRole("button", { name: "Show plan" }).click();
  await visit.follow(page.getByRole("button", { name: /^Create with/ }), `**/buildspaces/${name}`);
}

/** Throws unless a and b are the same. */
export function same(a, b, what) {
  if (a !== b) throw new Error(`${what}: ${JSON.stringify(a)}, want ${JSON.stringify(b)}`);
}

/** Presses Tab until something has the focus, and sees that it shows. */
export async function reach(page, target) {
  const wanted = await target.first().elementHandle({ timeout: patience });
  for (let stops = 0; stops < 150; stops++) {
    if (await wanted.evaluate((e) => e === document.activeElement)) {
      const ring = await wanted.evaluate((e) => e.matches(":focus-visible"));
      if (!ring) throw new Error(`no focus to be seen on ${target}`);
      return;
    }
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab never reaches ${target}`);
}

/** Reaches a link or button and follows it with Enter. */
export async function enter(visit, target, address) {
  const { page } = visit;
  await visit.sees(target);
  await reach(page, target);
  await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
  await page.waitForURL(address);
  await visit.look();
}

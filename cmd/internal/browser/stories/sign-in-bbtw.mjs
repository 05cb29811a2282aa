// 'bbtw auth login' is allowed in the browser: beside it, where the form's answer goes
// to loopback, and from elsewhere with a short code.
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { same, story } from "../story.mjs";

const home = await mkdtemp(join(tmpdir(), "bbtw-login-"));
// A stand-in for xdg-open: the story's own browser opens the page.
await writeFile(join(home, "xdg-open"), "#!/bin/sh\n", { mode: 0o755 });

/** Starts bbtw and gives what it says until a pattern is found, and its end. */
function bbtw(...args) {
  const env = { ...process.env, XDG_STATE_HOME: home, PATH: `${home}:${process.env.PATH}`, BUILDBTW_SERVER_URL: process.env.STORY_SERVER };
  const child = spawn("bbtw", args, { env });
  let said = "";
  const ended = new Promise((resolve) => child.on("close", (code) => resolve({ code, said })));
  const says = (pattern) => new Promise((resolve, reject) => {
    const look = (text) => {
      said += text;
      const found = said.match(pattern);
      if (found) resolve(found[0]);
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    ended.then(() => reject(new Error(`bbtw ended and said: ${said}`)));
  });
  return { says, ended };
}

try {
  await story(async (visit) => {
    const { page } = visit;
    const beside = bbtw("auth", "login");
    await visit.open(await beside.says(/http:\S+\/auth\/cli\S+/));
    await visit.says(page.locator("main"), "wants to act for you");
    await visit.follow(page.getByRole("button", { name: "Allow" }), /^http:\/\/127\.0\.0\.1:\d+\/\?/);
    await visit.sees(page.getByRole("heading", { name: "bbtw is signed in." }));
    same((await beside.ended).code, 0, "exit code");

    const elsewhere = bbtw("auth", "login", "--no-browser");
    const code = (await elsewhere.says(/^ {2}[A-Z]{4}-[A-Z]{4}$/m)).trim();
    await visit.open("/auth/device");
    visit.expectRefusal(404);
    await page.getByLabel("Code").fill("BBBB-BBBB");
    await page.getByRole("button", { name: "Continue" }).click();
    await visit.says(page.getByRole("alert"), "no login waits for this code");
    await page.getByLabel("Code").fill(code.toLowerCase());
    await page.getByRole("button", { name: "Continue" }).click();
    await visit.says(page.locator("main"), "Somebody who sent you a code gets your rights");
    await visit.look();
    await visit.follow(page.getByRole("button", { name: "Allow" }), "**/auth/device/answer");
    await visit.sees(page.getByRole("heading", { name: /is signed in$/ }));
    same((await elsewhere.ended).code, 0, "exit code");

    const refused = bbtw("auth", "login");
    await visit.open(await refused.says(/http:\S+\/auth\/cli\S+/));
    await visit.follow(page.getByRole("button", { name: "Refuse" }), /^http:\/\/127\.0\.0\.1:\d+\/\?/);
    await visit.sees(page.getByRole("heading", { name: "bbtw was refused." }));
    same((await refused.ended).code, 1, "exit code");
  });
} finally {
  await rm(home, { recursive: true });
}

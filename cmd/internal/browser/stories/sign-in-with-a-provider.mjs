// bob looks, signs in with the provider of his distribution, changes something, signs
// out and in again. When he leaves the group, the next pass takes the role from the
// browser that is signed in, and he is told so when he tries again.
import { create, groups, story } from "../story.mjs";

await story(async (visit) => {
  const { page } = visit;
  const foot = page.getByRole("contentinfo");
  await visit.open("/buildspaces");
  await visit.seesNo(page.getByRole("link", { name: "New buildspace" }));
  await visit.follow(foot.getByRole("link", { name: "Sign in" }), "**/sign-in**");
  await signIn(visit, "**/");
  await visit.says(foot, "Signed in as bob (packager).");
  await create(visit, "town", "walls");
  await visit.says(page.getByRole("main"), "bob");

  await visit.follow(foot.getByRole("button", { name: "Sign out" }), "**/");
  await visit.sees(foot.getByRole("link", { name: "Sign in" }));
  await visit.open("/sign-in?next=/buildspaces/walls");
  await signIn(visit, "**/buildspaces/walls");
  await visit.says(foot, "Signed in as bob (packager).");
  await visit.sees(page.getByRole("link", { name: "Edit", exact: true }));

  await groups("bob", "friends");
  do {
    await page.reload();
  } while (await foot.getByText("Signed in as").isVisible());
  await visit.seesNo(page.getByRole("link", { name: "Edit", exact: true }));
  await visit.look();

  visit.expectRefusal(403);
  await visit.open("/sign-in");
  await signIn(visit, "**/sign-in/oidc/callback**");
  await visit.says(page.getByRole("alert"), "you are bob at Our SSO, but have no role here", "packagers or admins");
  await visit.sees(page.getByRole("link", { name: "Sign in as somebody else" }));
}, { signedIn: false });

/** Goes from the sign-in page to the provider and comes back as bob. */
async function signIn(visit, address) {
  const { page } = visit;
  await visit.follow(page.getByRole("link", { name: "Sign in with Our SSO" }), /^http:\/\/localhost:\d+\/login\//);
  await page.getByLabel("User name").fill("bob");
  await visit.follow(page.getByRole("button", { name: "Log in" }), address);
}

// The page to sign in: takes the code out of the address's fragment, where no
// server and no log of a proxy has seen it, and sends the form.

const form = document.getElementById("sign-in");
if (form) {
  signIn();
  addEventListener("hashchange", signIn); // a link to the page that is open already loads nothing
}

function signIn() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (!code) return;
  history.replaceState(null, "", location.pathname + location.search); // the code stays in no history
  form.elements.code.value = code;
  form.requestSubmit();
}

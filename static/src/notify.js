// Tells with a notification of the browser that a buildspace stopped, to whoever asked
// for it with the button of its page: also while the page is open in the background, where
// it asks for nothing else. It tells once, and again after it has gone on.
const period = 20_000; // ms between two questions; browsers make it a minute in the background
const key = (name) => `notify ${name}`;
const buttons = () => document.querySelectorAll("[data-notify]");
const wanted = (name) => localStorage.getItem(key(name)) !== null && Notification.permission === "granted";

function render() {
  for (const button of buttons()) {
    button.hidden = false;
    button.setAttribute("aria-pressed", wanted(button.dataset.notify));
  }
}

async function ask(name) {
  const answer = await fetch(`/buildspaces/${encodeURIComponent(name)}/halt`).catch(() => null);
  if (!answer?.ok) return; // the page says itself that the connection is lost
  const { going, words } = await answer.json();
  const before = localStorage.getItem(key(name));
  if (before === null) return; // it was switched off meanwhile
  localStorage.setItem(key(name), going ? "going" : "halted");
  if (going || before !== "going") return;
  const told = new Notification(`${name} stopped`, { body: words, tag: key(name) });
  told.onclick = () => {
    window.focus();
    told.close();
  };
}

async function press(button) {
  const name = button.dataset.notify;
  if (wanted(name)) localStorage.removeItem(key(name));
  else if ((await Notification.requestPermission()) === "granted") {
    localStorage.setItem(key(name), "new");
    await ask(name);
  } else button.textContent = "This browser blocks notifications of this site";
  render();
}

if ("Notification" in window && buttons().length > 0) {
  const [{ dataset: { notify: name } }] = buttons();
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-notify]");
    if (button) press(button);
  });
  const again = () => wanted(name) && ask(name);
  document.addEventListener("htmx:after:swap", () => {
    render();
    again();
  });
  setInterval(again, period);
  render();
  again();
}

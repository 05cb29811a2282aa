// The search field: builds by a part of their names, chosen with the arrow keys.
const PAUSE = 120; // ms after the last key

export function findBuilds(base, words, choose) {
  const input = document.getElementById("graph-q");
  const list = document.getElementById("graph-found");
  let found = [];
  let at = -1;
  let timer = 0;
  let asked = 0;

  for (const [name, value] of Object.entries({
    role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id,
  })) input.setAttribute(name, value);

  function show(builds) {
    found = builds;
    at = builds.length > 0 ? 0 : -1;
    list.replaceChildren(...builds.map(option));
    list.hidden = builds.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark();
  }

  function option({ key, code }, i) {
    const item = document.createElement("li");
    item.id = `graph-found-${i}`;
    item.role = "option";
    item.textContent = key;
    const status = document.createElement("span");
    status.className = "quiet";
    status.textContent = words(code);
    item.append(" ", status);
    item.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the field keeps the focus
      take(i);
    });
    return item;
  }

  function mark() {
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === at)));
    if (at >= 0) input.setAttribute("aria-activedescendant", list.children[at].id);
    else input.removeAttribute("aria-activedescendant");
  }

  function take(i) {
    const build = found[i];
    show([]);
    if (!build) return;
    input.value = "";
    choose(build.key);
  }

  async function ask() {
    const mine = ++asked;
    const q = input.value.trim();
    const builds = q === "" ? [] : await fetch(`${base}/find?q=${encodeURIComponent(q)}`).then((r) => (r.ok ? r.json() : [])).catch(() => []);
    if (mine === asked) show(builds);
    return mine === asked;
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  });
  input.addEventListener("blur", () => show([]));
  input.addEventListener("keydown", async (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      at = found.length === 0 ? -1 : (at + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
      mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      clearTimeout(timer);
      if (found.length > 0 || (await ask())) take(Math.max(at, 0));
    } else if (event.key === "Escape") {
      input.value = "";
      show([]);
      choose(null);
    }
  });
  return input;
}

// Ctrl+K opens a dialog that leads to any package, buildspace or page, and does what the
// buttons of this page do. Without this file there is the search page.
import htmx from "htmx.org";
import { combobox } from "./suggest.js";

const dialog = document.getElementById("palette");
const field = document.getElementById("palette-q");
const list = document.getElementById("palette-list");
const says = document.getElementById("palette-says");
let mine = []; // of this page: links of its tabs, its buttons

/** The links and buttons of this page that have all words in their names. */
function ownActions() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  return [...document.querySelectorAll("main :is(.tabs a, .actions a, .actions button, [data-notify])")]
    .filter((element) => !element.hidden && words.every((word) => element.textContent.toLowerCase().includes(word)));
}

/** What is chosen first is what Enter does: with words, the first option. */
function render() {
  for (const option of list.querySelectorAll("[data-own]")) option.remove();
  mine = ownActions();
  list.prepend(...mine.map((element, i) => {
    const option = document.createElement("li");
    option.id = `go-own${i}`;
    option.setAttribute("role", "option");
    option.dataset.own = i;
    const [name, what] = [document.createElement("span"), document.createElement("span")];
    name.textContent = element.textContent.trim();
    what.textContent = "on this page";
    what.className = "quiet";
    option.append(name, what);
    return option;
  }));
  const all = list.querySelectorAll("[role=option]");
  box.show(true);
  if (field.value.trim() && all.length > 0) box.choose(all[0]);
  says.textContent = all.length === 0 ? "Nothing found. Enter searches everything." : `${all.length} found`;
}

function take(option) {
  dialog.close();
  if (option.dataset.own === undefined) return location.assign(option.dataset.url);
  const element = mine[Number(option.dataset.own)];
  element.closest("details")?.setAttribute("open", ""); // a button in a menu shows its words first
  if (element.closest("details.menu")) element.focus();
  else element.click();
}

const box = combobox(field, list, { always: true, choose: take });

document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== "k") return;
  event.preventDefault();
  if (dialog.open) return dialog.close();
  field.value = "";
  dialog.showModal();
  field.focus();
  render();
  htmx.trigger(field, "open");
});
document.addEventListener("htmx:after:swap", () => dialog.open && render());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

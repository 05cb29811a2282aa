// Pictures that the server draws with a link for each build: the Tab key stops at one of
// them, the arrow keys go from there to the next in their direction, and a line below
// says which build it is.
const links = (picture) => [...picture.querySelectorAll("a")];
const linkAt = (event) => event.target.closest?.(".linked a");
const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function middle(link) {
  const box = link.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
}

/** The nearest link in a direction; what lies across it counts twice. */
function next(link, [dx, dy]) {
  const [x, y] = middle(link);
  let best = null, least = Infinity;
  for (const other of links(link.closest("svg.linked"))) {
    const [ox, oy] = middle(other);
    const along = (ox - x) * dx + (oy - y) * dy, across = Math.abs((ox - x) * dy) + Math.abs((oy - y) * dx);
    if (along > 0.5 && along + 2 * across < least) [best, least] = [other, along + 2 * across];
  }
  return best;
}

/** Of each picture, the Tab key stops at the link that had the focus last, else at the newest. */
function stops() {
  for (const picture of document.querySelectorAll("svg.linked")) {
    const all = links(picture);
    const stop = all.find((link) => link.getAttribute("href") === picture.dataset.stop) ?? (picture.dataset.first === undefined ? all.at(-1) : all[0]);
    for (const link of all) link.setAttribute("tabindex", link === stop ? 0 : -1);
  }
}

function tell(event) {
  const link = linkAt(event);
  const words = link?.closest("figure")?.querySelector(".linked-words");
  if (words) words.textContent = link.querySelector("title").textContent;
}

document.addEventListener("keydown", (event) => {
  const link = linkAt(event);
  if (!link || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const all = links(link.closest("svg.linked"));
  const to = event.key === "Home" ? all[0] : event.key === "End" ? all.at(-1) : directions[event.key] && next(link, directions[event.key]);
  if (to === undefined) return;
  event.preventDefault();
  to?.focus();
});
document.addEventListener("focusin", (event) => {
  tell(event);
  const link = linkAt(event);
  if (!link) return;
  link.closest("svg.linked").dataset.stop = link.getAttribute("href");
  stops();
});
document.addEventListener("pointerover", tell);
document.addEventListener("htmx:after:swap", stops);
stops();

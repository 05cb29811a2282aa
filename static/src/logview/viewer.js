// The page of a log (views/log.templ). Without this file it is a window of lines
// with links to others; with it the log scrolls, follows, searches and jumps.
import { Chosen } from "./chosen.js";
import { byId, Rows } from "./rows.js";
import { searchWith } from "./search.js";

const pause = 10_000; // ms between two things that are read out by themselves

if (byId("log-viewer")) start(byId("log-viewer"));

function start(viewer) {
  const rows = new Rows(viewer, () => changed());
  const chosen = new Chosen(rows);
  let following = false;
  let saidAt = 0;

  function say(text) {
    byId("log-said").textContent = text;
    saidAt = Date.now();
  }

  function changed() {
    chosen.mark();
    const count = (n) => n.toLocaleString("en");
    if (rows.total > 0) {
      byId("log-where").textContent = `Lines ${count(rows.top())} to ${count(rows.bottom())} of ${count(rows.total)}`;
    }
    const position = byId("log-position");
    position.max = byId("log-line").max = Math.max(rows.total, 1);
    if (document.activeElement !== position) position.value = rows.bottom();
    follow(rows.ended() && rows.atBottom());
    byId("log-folds")?.setAttribute("aria-pressed", String(rows.phases.some));
    rows.fill();
  }

  function follow(on) {
    following = on;
    byId("log-follow")?.setAttribute("aria-pressed", String(on));
  }

  async function go(line, open = false) {
    if (!(line >= 1)) return;
    const wanted = Math.min(line, Math.max(rows.total, 1));
    follow(false);
    chosen.set(wanted);
    await rows.show(wanted);
    if (open && rows.phases.folded.has(wanted)) await rows.toggle(wanted);
  }

  /** Goes to the next or previous of the listed lines. */
  function stepTo(kind, by) {
    const links = [...viewer.querySelectorAll(`a[data-kind="${kind}"]`)];
    if (links.length === 0) return say(kind === "hit" ? "Nothing was found" : "No line looks like an error");
    let at = links.findIndex((a) => a.ariaCurrent === "true");
    if (at >= 0) at += by;
    else if (by > 0) at = Math.max(links.findIndex((a) => Number(a.dataset.line) >= rows.top()), 0);
    else at = links.findLastIndex((a) => Number(a.dataset.line) < rows.bottom());
    take(links, links[(at + links.length) % links.length]);
  }

  function take(links, link) {
    for (const a of links) a.ariaCurrent = a === link ? "true" : null;
    const list = link.closest("ol");
    list.scrollTop += link.getBoundingClientRect().top - list.getBoundingClientRect().top - list.clientHeight / 3;
    say(`${links.indexOf(link) + 1} of ${links.length}: line ${link.textContent}`);
    go(Number(link.dataset.line));
  }

  viewer.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    const fold = event.target.closest(".log-fold");
    if (fold) return rows.toggle(Number(fold.parentElement.id.slice(1)));
    const button = event.target.closest("button[data-step]");
    if (button) return stepTo(button.dataset.of, Number(button.dataset.step));
    const link = event.target.closest("a[data-line]");
    if (!link) return;
    event.preventDefault();
    if (link.dataset.line === "end") rows.end();
    else if (link.dataset.kind) take([...viewer.querySelectorAll(`a[data-kind="${link.dataset.kind}"]`)], link);
    else go(Number(link.dataset.line), link.closest("[data-phase]"));
  });

  byId("log-jump").addEventListener("submit", (event) => {
    event.preventDefault();
    go(byId("log-line").valueAsNumber);
  });
  byId("log-position").addEventListener("input", (event) => rows.show(rows.phases.before(event.target.valueAsNumber + 1)));
  byId("log-folds")?.addEventListener("click", ({ currentTarget }) => rows.foldAll(currentTarget.ariaPressed !== "true"));
  byId("log-follow")?.addEventListener("click", () => (following ? follow(false) : rows.end()));
  byId("log-wrap").addEventListener("click", () => wrap(byId("log-wrap").ariaPressed !== "true"));
  byId("log-times").addEventListener("click", ({ currentTarget }) => {
    const on = rows.box.classList.toggle("timed");
    currentTarget.setAttribute("aria-pressed", String(on));
  });
  addEventListener("hashchange", () => chosen.read() && rows.show(chosen.from));

  function wrap(on) {
    rows.wrap(on);
    byId("log-wrap").setAttribute("aria-pressed", String(on));
    changed();
  }

  let drawn = 0;
  rows.box.addEventListener("scroll", () => {
    drawn ||= requestAnimationFrame(() => {
      drawn = 0;
      changed();
    });
  }, { passive: true });
  rows.box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target !== rows.box) return;
    if (event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    if (event.key === "End") rows.end();
    else rows.show(1);
  });

  const keys = {
    n: () => stepTo("error", 1), p: () => stepTo("error", -1), N: () => stepTo("hit", 1), P: () => stepTo("hit", -1),
    z: () => byId("log-folds")?.click(), w: () => byId("log-wrap").click(), t: () => byId("log-times").click(), f: () => byId("log-follow")?.click(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, textarea, select")) return;
    keys[event.key]?.();
  });

  searchWith(rows, () => {
    const hits = viewer.querySelectorAll('a[data-kind="hit"]').length;
    say(hits ? `Found in ${hits} lines` : "Nothing was found");
    if (hits) stepTo("hit", 1);
  });

  if (chosen.from > 0) rows.show(chosen.from);
  else rows.box.scrollTop = rows.box.scrollHeight;
  changed();

  // The part that says how much there is of the log is replaced when that changes.
  const length = () => byId("log-length").dataset;
  let known = { ...length() };
  if (known.running !== "true") return;
  document.addEventListener("htmx:after:swap", () => {
    const now = { ...length() };
    const ended = known.running === "true" && now.running !== "true";
    if (now.size === known.size && now.lines === known.lines && !ended) return;
    const found = Number(now.errors);
    if (found > Number(known.errors) && (Date.now() - saidAt > pause || ended)) say(`${found} lines tell of errors`);
    known = now;
    rows.readPhases();
    if (following) rows.more();
    else {
      rows.total = Number(now.lines);
      changed();
    }
    if (ended) {
      byId("live").remove(); // nothing more comes
      say(`The attempt has ended: ${document.title}`);
    }
  });
}

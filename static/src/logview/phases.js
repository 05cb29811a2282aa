// The phases of a build fold: of one that is folded only the first line is in the page. The
// list beside the log (views/log.templ) says where each begins; one ends where the next
// begins, and the last one, which runs or has failed, is open.
const worth = 20; // lines of the smallest phase that is folded by itself

export class Phases {
  constructor(viewer) {
    this.viewer = viewer;
    this.list = [];
    this.folded = new Set(); // of first lines
    this.read();
    this.fold();
  }

  /** Reads the list again, which grows while the attempt runs. */
  read() {
    this.list = [...this.viewer.querySelectorAll("[data-phase]")].map((item) => ({
      line: Number(item.dataset.phase), words: item.querySelector("code").textContent, took: item.querySelector("b")?.textContent,
    }));
    this.list.forEach((phase, i) => (phase.last = (this.list[i + 1]?.line ?? Infinity) - 1));
  }

  /** Folds all phases that are worth it but the last. */
  fold() {
    this.folded = new Set(this.list.slice(0, -1).filter((p) => p.last - p.line >= worth).map((p) => p.line));
  }

  open() {
    this.folded.clear();
  }

  get some() {
    return this.folded.size > 0;
  }

  /** The folded phase that hides a line. */
  hiding(line) {
    return this.list.find((p) => this.folded.has(p.line) && line > p.line && line <= p.last);
  }

  /** The phase that begins at a line. */
  at(line) {
    return this.list.find((p) => p.line === line);
  }

  /** The first line after another that is not hidden. */
  after(line) {
    return (this.hiding(line + 1)?.last ?? line) + 1;
  }

  /** The last line before another that is not hidden; 0 when there is none. */
  before(line) {
    return this.hiding(line - 1)?.line ?? line - 1;
  }

  /** Puts a button into the first line of a phase, which says what is folded. */
  mark(row) {
    const phase = this.at(number(row));
    if (!phase || phase.last === phase.line) return;
    let button = row.querySelector(".log-fold");
    if (!button) {
      button = document.createElement("button");
      button.type = "button";
      button.className = "log-fold";
      row.querySelector(".log-text").before(button);
    }
    const folded = this.folded.has(phase.line);
    const lines = phase.last < Infinity ? `${(phase.last - phase.line).toLocaleString("en")} lines` : "";
    const words = [lines, phase.took].filter(Boolean).join(" in ");
    button.textContent = folded ? `▸ ${words}` : "▾";
    button.setAttribute("aria-expanded", String(!folded));
    button.setAttribute("aria-label", [phase.words, words].filter(Boolean).join(": "));
  }
}

/** The number of the line that a row shows. */
export const number = (row) => Number(row.id.slice(1));

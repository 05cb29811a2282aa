// The lines of a log that are in the page: a window that moves. Lines come from
// the server as HTML; those that are far away are taken out again, so that the
// page stays small however long the log is. Those of folded phases are not in it.
import { number, Phases } from "./phases.js";

const most = 1600; // lines in the page
const step = 400; // lines fetched at a time
const ahead = 1.5; // screens of lines that are fetched before they are needed

export const byId = (id) => document.getElementById(id);

export class Rows {
  constructor(viewer, changed) {
    this.page = viewer.dataset.page;
    this.attempt = viewer.dataset.attempt;
    this.box = byId("log-box");
    this.rows = this.box.querySelector(".log-rows");
    this.changed = changed; // is called after lines came or went
    this.lost = false;
    this.phases = new Phases(viewer);
    this.#note(this.rows, true);
    this.#prune();
    this.queue = Promise.resolve();
    this.waiting = 0;
  }

  /** Does one thing after the other: each knows what the one before has left. */
  #do(task) {
    this.waiting++;
    this.queue = this.queue
      .then(task)
      .then(() => this.#answered(true), (error) => this.#answered(false, error))
      .finally(() => {
        this.waiting--;
        if (!this.lost) this.fill(); // of what came, folded phases may have left little
      });
    return this.queue;
  }

  #answered(well, error) {
    this.lost = !well;
    document.body.classList.toggle("connection-lost", !well);
    if (error) console.info(`log: ${error.message}`);
    this.changed();
  }

  async #fetch(parameters) {
    const query = new URLSearchParams({ attempt: this.attempt, limit: step, ...parameters });
    const answer = await fetch(`${this.page}/lines?${query}`);
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    const holder = document.createElement("template");
    holder.innerHTML = await answer.text();
    const rows = holder.content.querySelector(".log-rows");
    for (const row of rows.querySelectorAll(".log-chosen")) row.classList.remove("log-chosen");
    this.box.querySelector(".log-nothing")?.remove();
    return rows;
  }

  /** Those of fetched rows that no folded phase hides. */
  #shown(rows) {
    const shown = [...rows.children].filter((row) => !this.phases.hiding(number(row)));
    for (const row of shown) this.phases.mark(row);
    return shown;
  }

  /** Takes out what is folded, and says at each phase that it is. */
  #prune() {
    this.rows.replaceChildren(...this.#shown(this.rows));
  }

  /** Whether there is nothing to be shown after the last row. */
  ended() {
    return this.phases.after(this.last) > this.total;
  }

  #note(rows, all) {
    this.total = Number(rows.dataset.total);
    if (all) this.first = Number(rows.dataset.first);
    if (all) this.last = Number(rows.dataset.last);
  }

  #replace(rows) {
    this.rows.replaceChildren(...this.#shown(rows));
    this.#note(rows, true);
  }

  /** Changes what is in the page and leaves a line where it is to be seen. */
  #keeping(row, change) {
    const before = row?.getBoundingClientRect().top;
    change();
    if (row?.isConnected) this.box.scrollTop += row.getBoundingClientRect().top - before;
  }

  /** Fetches what the reader will see next, if that is not here yet. */
  fill() {
    if (this.waiting > 0) return;
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    const near = clientHeight * ahead;
    if (scrollTop < near && this.phases.before(this.first) >= 1) this.#do(() => this.#earlier());
    else if (scrollHeight - scrollTop - clientHeight < near && !this.ended()) this.#do(() => this.#later());
  }

  async #earlier() {
    const rows = await this.#fetch({ before: this.phases.before(this.first) + 1 });
    this.#keeping(this.rows.firstElementChild, () => this.rows.prepend(...this.#shown(rows)));
    this.#note(rows, false);
    this.first = Number(rows.dataset.first);
    const many = this.rows.childElementCount > most;
    while (this.rows.childElementCount > most) this.rows.lastElementChild.remove();
    if (many) this.last = number(this.rows.lastElementChild);
  }

  async #later() {
    const rows = await this.#fetch({ from: this.phases.after(this.last) });
    const after = this.rows.lastElementChild;
    this.rows.append(...this.#shown(rows));
    this.#note(rows, false);
    this.last = Number(rows.dataset.last);
    this.#keeping(after, () => this.#trimStart());
  }

  #trimStart() {
    const many = this.rows.childElementCount > most;
    while (this.rows.childElementCount > most) this.rows.firstElementChild.remove();
    if (many) this.first = number(this.rows.firstElementChild);
  }

  /** Shows a line, and opens the phase that it is in. */
  show(line) {
    return this.#do(async () => {
      this.phases.folded.delete(this.phases.hiding(line)?.line);
      if (!byId(`L${line}`)) this.#replace(await this.#fetch({ line: Math.min(line, Math.max(this.total, 1)) }));
      byId(`L${line}`)?.scrollIntoView({ block: "center" });
    });
  }

  /** Shows the end of the log. */
  end() {
    return this.#do(async () => {
      if (!this.ended() || this.rows.childElementCount === 0) this.#replace(await this.#fetch({}));
      this.box.scrollTop = this.box.scrollHeight;
    });
  }

  /** Shows what was written since, at the end; the last line may have got longer. */
  more() {
    return this.#do(async () => {
      const rows = await this.#fetch({ from: Math.max(this.last, 1) });
      if (Number(rows.dataset.total) > Number(rows.dataset.last)) {
        this.#replace(await this.#fetch({}));
      } else {
        if (rows.childElementCount > 0) byId(`L${Math.max(this.last, 1)}`)?.remove();
        this.rows.append(...this.#shown(rows));
        this.#note(rows, false);
        this.last = this.total;
        this.#trimStart();
      }
      this.box.scrollTop = this.box.scrollHeight;
    });
  }

  /** Whether the end of what is in the page is to be seen. */
  atBottom() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 40;
  }

  /** The number of the line at the upper edge. */
  top() {
    const at = this.#topAt();
    return at < 0 ? this.first : number(this.rows.children[at]);
  }

  #topAt() {
    const rows = this.rows.children;
    const edge = this.box.getBoundingClientRect().top;
    let low = 0;
    let high = rows.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].getBoundingClientRect().bottom <= edge) low = middle + 1;
      else high = middle;
    }
    return rows.length > 0 ? low : -1;
  }

  /** The number of the line at the lower edge. */
  bottom() {
    const rows = this.rows.children;
    const edge = this.box.getBoundingClientRect().bottom;
    let at = this.#topAt();
    if (at < 0) return this.last;
    while (at + 1 < rows.length && rows[at + 1].getBoundingClientRect().top < edge) at++;
    return number(rows[at]);
  }

  /** Opens a phase, or folds it. */
  toggle(line) {
    return this.#do(async () => {
      const { folded } = this.phases;
      if (!folded.delete(line)) {
        folded.add(line);
        this.#keeping(byId(`L${line}`), () => this.#prune());
        return;
      }
      const row = byId(`L${line}`);
      while (row?.nextElementSibling) row.nextElementSibling.remove();
      this.last = line;
      this.#prune();
      await this.#later();
    });
  }

  /** Folds all phases but the last, or opens all. */
  foldAll(on) {
    return this.#do(async () => {
      const top = this.top();
      if (on) this.phases.fold();
      else this.phases.open();
      const line = this.phases.hiding(top)?.line ?? top;
      this.#replace(await this.#fetch({ line: Math.max(line, 1) }));
      byId(`L${line}`)?.scrollIntoView({ block: "start" });
    });
  }

  /** Reads how far each phase goes, while the attempt runs. */
  readPhases() {
    this.phases.read();
    for (const phase of this.phases.list) {
      const row = byId(`L${phase.line}`);
      if (row) this.phases.mark(row);
    }
  }

  /** Breaks long lines, or lets the box scroll sideways. */
  wrap(on) {
    const row = byId(`L${this.top()}`);
    this.#keeping(row, () => this.box.classList.toggle("wrapped", on));
  }
}

// The lines of a log that are in the page: a window that moves. Lines come from
// the server as HTML; those that are far away are taken out again, so that the
// page stays small however long the log is.
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
    this.#note(this.rows, true);
    this.queue = Promise.resolve();
    this.waiting = 0;
  }

  /** Does one thing after the other: each knows what the one before has left. */
  #do(task) {
    this.waiting++;
    this.queue = this.queue
      .then(task)
      .then(() => this.#answered(true), (error) => this.#answered(false, error))
      .finally(() => this.waiting--);
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

  #note(rows, all) {
    this.total = Number(rows.dataset.total);
    if (all) this.first = Number(rows.dataset.first);
    if (all) this.last = Number(rows.dataset.last);
  }

  #replace(rows) {
    this.rows.replaceChildren(...rows.children);
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
    if (scrollTop < near && this.first > 1) this.#do(() => this.#earlier());
    else if (scrollHeight - scrollTop - clientHeight < near && this.last < this.total) this.#do(() => this.#later());
  }

  async #earlier() {
    const rows = await this.#fetch({ before: this.first });
    this.#keeping(this.rows.firstElementChild, () => this.rows.prepend(...rows.children));
    this.#note(rows, false);
    this.first = Number(rows.dataset.first);
    while (this.rows.childElementCount > most) {
      this.rows.lastElementChild.remove();
      this.last--;
    }
  }

  async #later() {
    const rows = await this.#fetch({ from: this.last + 1 });
    const after = this.rows.lastElementChild;
    this.rows.append(...rows.children);
    this.#note(rows, false);
    this.last = Number(rows.dataset.last);
    this.#keeping(after, () => {
      while (this.rows.childElementCount > most) {
        this.rows.firstElementChild.remove();
        this.first++;
      }
    });
  }

  /** Shows a line. */
  show(line) {
    return this.#do(async () => {
      if (line < this.first || line > this.last) this.#replace(await this.#fetch({ line: Math.min(line, Math.max(this.total, 1)) }));
      byId(`L${line}`)?.scrollIntoView({ block: "center" });
    });
  }

  /** Shows the end of the log. */
  end() {
    return this.#do(async () => {
      if (this.last < this.total || this.rows.childElementCount === 0) this.#replace(await this.#fetch({}));
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
        if (rows.childElementCount > 0) this.rows.lastElementChild?.remove();
        this.rows.append(...rows.children);
        this.#note(rows, false);
        this.last = this.total;
        while (this.rows.childElementCount > most) {
          this.rows.firstElementChild.remove();
          this.first++;
        }
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
    const rows = this.rows.children;
    const edge = this.box.getBoundingClientRect().top;
    let low = 0;
    let high = rows.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].getBoundingClientRect().bottom <= edge) low = middle + 1;
      else high = middle;
    }
    return this.first + low;
  }

  /** The number of the line at the lower edge. */
  bottom() {
    const rows = this.rows.children;
    const edge = this.box.getBoundingClientRect().bottom;
    let at = this.top() - this.first;
    while (at + 1 < rows.length && rows[at + 1].getBoundingClientRect().top < edge) at++;
    return this.first + at;
  }

  /** Breaks long lines, or lets the box scroll sideways. */
  wrap(on) {
    const row = byId(`L${this.top()}`);
    this.#keeping(row, () => this.box.classList.toggle("wrapped", on));
  }
}

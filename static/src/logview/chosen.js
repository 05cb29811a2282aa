// The lines that the address names, #L10 or #L10-L20, are marked. A click on a
// line's number makes the address name it; with shift, all up to it.
const form = /^#L(\d+)(?:-L(\d+))?$/;

export class Chosen {
  constructor(rows) {
    this.rows = rows;
    this.from = this.to = Number(rows.rows.querySelector(".log-chosen .log-number")?.textContent ?? 0);
    this.read();
    rows.rows.addEventListener("click", (event) => this.#click(event));
  }

  /** Reads the address; says whether it names a line. */
  read() {
    const found = location.hash.match(form);
    if (!found) return false;
    const ends = [Number(found[1]), Number(found[2] ?? found[1])].sort((a, b) => a - b);
    [this.from, this.to] = ends;
    this.mark();
    return true;
  }

  #click(event) {
    const number = event.target.closest("a.log-number");
    if (!number || event.ctrlKey || event.metaKey || event.button !== 0) return;
    event.preventDefault();
    const line = Number(number.textContent);
    this.set(event.shiftKey && this.from > 0 ? this.from : line, line);
  }

  /** Chooses lines and puts them into the address. */
  set(from, to = from) {
    [this.from, this.to] = [Math.min(from, to), Math.max(from, to)];
    const query = new URLSearchParams(location.search);
    query.set("attempt", this.rows.attempt);
    query.delete("line");
    const hash = this.from === this.to ? `#L${this.from}` : `#L${this.from}-L${this.to}`;
    history.replaceState(null, "", `${location.pathname}?${query}${hash}`);
    this.mark();
  }

  /** Marks those of the lines that are in the page. */
  mark() {
    for (const row of this.rows.rows.querySelectorAll(".log-chosen")) row.classList.remove("log-chosen");
    const last = Math.min(this.to, this.rows.last);
    for (let line = Math.max(this.from, this.rows.first, 1); line <= last; line++) {
      document.getElementById(`L${line}`)?.classList.add("log-chosen");
    }
  }
}

// Packages by iteration: a square for each build, a bar below it for its duration.
import { onChange, openBuild, Stage, took } from "./stage.js";
import { cut } from "./time.js";

const ROW = 18; // px of a row at zoom 1
const LEAST = 2, MOST = 36; // px of a row
const NAMED = 11; // px of a row from which it has a name and bars
const STRIP = 20; // px on the right: all rows at once
const SLANTED = 96; // px for long heads

// What is drawn together; the last is on top, and stands for a row in the strip.
const CODES = "xrkdpsbhf"; // r: reused; the others as in colours.js

export class GridPicture {
  constructor(section) {
    this.section = section;
    this.says = document.getElementById("picture-says");
    this.field = document.getElementById("picture-q");
    this.row = ROW;
    this.x = this.y = 0;
    this.chosen = null; // [row, column] of the data
    this.hover = null;
  }

  async start() {
    await this.#fetch();
    const host = document.getElementById("picture-stage");
    host.style.height = `${Math.min(this.#head() + this.rows.length * ROW + 8, Math.max(260, innerHeight * 0.72))}px`;
    this.stage = new Stage(host, {
      label: "Packages by iteration. Arrow keys go from square to square, f to the next failure, Enter opens the build; the table below shows the same.",
      shortcuts: "ArrowLeft ArrowRight ArrowUp ArrowDown Enter f / + - 0",
      camera: this,
      keys: this.#keys(),
      draw: () => this.#draw(),
      resized: () => this.#moved(),
      moved: () => this.#moved(),
      hover: (x, y) => this.#onHover(x, y),
      click: (x, y, event) => this.#onClick(x, y, event),
    });
    this.field.addEventListener("input", () => {
      this.#filter();
      if (this.field.value.trim()) this.#say(`${this.shown.length} packages`);
    });
    onChange(() => this.#fetch());
  }

  // ---- data

  async #fetch() {
    const answer = await fetch(this.section.dataset.cells);
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    const wire = await answer.json();
    this.columns = wire.columns;
    this.rows = wire.rows;
    this.broke = wire.broke;
    this.codes = wire.codes;
    this.seconds = wire.seconds;
    this.ids = wire.ids.map((list) => {
      let last = 0;
      return list.map((d) => (d === 0 ? 0 : (last += d)));
    });
    this.longest = this.rows.map((_, row) => this.seconds.reduce((most, list) => Math.max(most, list[row]), 1));
    this.worst = this.rows.map((_, row) => this.codes.reduce((most, codes) => Math.max(most, CODES.indexOf(codes[row])), -1));
    this.#filter();
  }

  /** Shows the rows that have what was typed in their names. */
  #filter() {
    const q = this.field.value.trim().toLowerCase();
    this.shown = [...this.rows.keys()].filter((row) => this.rows[row].toLowerCase().includes(q));
    if (!this.stage) return;
    this.#moved();
  }

  // ---- the view

  #head() { return this.columns.some((name) => name.length > 6) ? SLANTED : 24; }
  get left() { return this.stage.width < 600 ? 100 : 190; }
  get cell() { return Math.max(16, Math.min(46, (this.stage.width - this.left - STRIP - 8) / this.columns.length)); }

  pan(dx, dy) {
    this.x -= dx;
    this.y -= dy;
  }

  zoom(factor, x, y = this.stage.height / 2) {
    const at = (this.y + y - this.#head()) / this.row;
    this.row = Math.min(MOST, Math.max(LEAST, this.row * factor));
    this.y = at * this.row - y + this.#head();
  }

  zoomBy(factor) {
    this.zoom(factor);
    this.#moved();
  }

  fit() {
    [this.row, this.x, this.y] = [ROW, 0, 0];
    this.#moved();
  }

  #moved() {
    const { stage } = this;
    this.x = Math.max(0, Math.min(this.x, this.left + this.columns.length * this.cell + STRIP + 8 - stage.width));
    this.y = Math.max(0, Math.min(this.y, this.#head() + this.shown.length * this.row + 4 - stage.height));
    stage.point("");
    stage.redraw();
  }

  // ---- squares

  #at(x, y) {
    if (y < this.#head() || x > this.stage.width - STRIP) return null;
    const row = this.shown[Math.floor((y - this.#head() + this.y) / this.row)];
    const column = Math.floor((x - this.left + this.x) / this.cell);
    return row === undefined || x < this.left || column >= this.columns.length || !this.ids[column][row] ? null : [row, column];
  }

  /** What a square says to somebody who does not see it. */
  words([row, column]) {
    const code = this.codes[column][row];
    if (code === "-") return `${this.rows[row]}, not in ${this.columns[column]}`;
    const seconds = this.seconds[column][row];
    const time = seconds >= 0 && "df".includes(code) ? ` in ${took(seconds)}` : "";
    return `${this.rows[row]}, ${this.columns[column]}, ${code === "r" ? "reused" : this.stage.colours.codes[code].word}${time}${this.broke[row] === column ? ", first failure since it was built" : ""}`;
  }

  choose(cell) {
    this.chosen = cell;
    if (cell) {
      const top = this.shown.indexOf(cell[0]) * this.row, room = this.stage.height - this.#head();
      if (top < this.y) this.y = top;
      else if (top + this.row > this.y + room) this.y = top + this.row - room;
      const left = cell[1] * this.cell, wide = this.stage.width - this.left - STRIP;
      if (left < this.x) this.x = left;
      else if (left + this.cell > this.x + wide) this.x = left + this.cell - wide;
      this.#say(this.words(cell));
      this.#moved();
    }
    this.stage.redraw();
  }

  #say(text) { this.says.textContent = text; }

  #open([row, column], event) {
    const id = this.ids[column][row];
    if (id) openBuild(id, event);
  }

  #onHover(x, y) {
    const cell = this.#at(x, y);
    this.hover = cell;
    this.stage.canvas.style.cursor = cell ? "pointer" : "";
    this.stage.point(cell ? this.words(cell) : "", x, y);
    this.stage.redraw();
  }

  #onClick(x, y, event) {
    if (x > this.stage.width - STRIP) {
      const room = this.stage.height - this.#head();
      this.y = ((y - this.#head()) / room) * this.shown.length * this.row - room / 2;
      return this.#moved();
    }
    const cell = this.#at(x, y);
    if (cell) this.#open(cell, event);
    else this.choose(null);
  }

  #keys() {
    const step = (down, right) => () => {
      const last = this.columns.length - 1;
      if (!this.chosen) return this.shown.length > 0 && this.choose([this.shown[0], last]);
      const at = Math.max(0, Math.min(this.shown.length - 1, this.shown.indexOf(this.chosen[0]) + down));
      this.choose([this.shown[at], Math.max(0, Math.min(last, this.chosen[1] + right))]);
    };
    const failure = () => {
      const from = this.chosen ? this.shown.indexOf(this.chosen[0]) + 1 : 0;
      for (let i = 0; i < this.shown.length; i++) {
        const row = this.shown[(from + i) % this.shown.length];
        const column = this.broke[row] >= 0 ? this.broke[row] : this.codes.findLastIndex((codes) => codes[row] === "f");
        if (column >= 0) return this.choose([row, column]);
      }
      this.#say("Nothing failed here.");
    };
    return {
      ArrowLeft: step(0, -1), ArrowRight: step(0, 1), ArrowUp: step(-1, 0), ArrowDown: step(1, 0),
      PageUp: step(-20, 0), PageDown: step(20, 0), f: failure,
      Enter: () => this.chosen && this.#open(this.chosen),
      "/": () => this.field.focus(),
      "+": () => this.zoomBy(1.3), "=": () => this.zoomBy(1.3), "-": () => this.zoomBy(1 / 1.3), 0: () => this.fit(),
      Escape: () => (this.chosen ? this.choose(null) : this.stage.canvas.blur()),
    };
  }

  // ---- drawing

  #draw() {
    const { ctx, width, height } = this.stage;
    const head = this.#head();
    const from = Math.floor(this.y / this.row), to = Math.min(this.shown.length, Math.ceil((this.y + height - head) / this.row));
    ctx.save();
    ctx.beginPath();
    ctx.rect(this.left, head, width - this.left - STRIP, height);
    ctx.clip();
    this.#squares(from, to);
    this.#marks();
    ctx.restore();
    this.#names(from, to);
    this.#heads();
    this.#strip();
    if (!this.drawn) performance.mark("picture-drawn");
    this.drawn = true;
    this.section.dataset.drawn = `${this.shown.length} ${this.columns.length}`;
  }

  #top(at) { return this.#head() + at * this.row - this.y; }

  #squares(from, to) {
    const { ctx, colours: c } = this.stage;
    const large = this.row >= NAMED;
    const gap = large ? 1.5 : this.row > 4 ? 0.5 : 0;
    const below = large ? 4 : 0; // px for the bar
    const fill = (code) => (code === "r" ? c["skipped-fill"] : c.codes[code].fill);
    const bars = [], broken = [];
    for (const code of CODES) {
      ctx.fillStyle = fill(code);
      ctx.beginPath();
      for (let column = 0; column < this.columns.length; column++) {
        const codes = this.codes[column], x = this.left + column * this.cell - this.x;
        for (let at = from; at < to; at++) {
          const row = this.shown[at];
          if (codes[row] !== code) continue;
          const y = this.#top(at);
          ctx.rect(x + gap, y + gap, this.cell - 2 * gap, Math.max(1, this.row - 2 * gap - below));
          if (this.broke[row] === column) broken.push(x, y);
          const seconds = this.seconds[column][row];
          if (large && seconds > 0) bars.push(x + gap, y + this.row - below, ((this.cell - 2 * gap) * seconds) / this.longest[row]);
        }
      }
      ctx.fill();
    }
    ctx.fillStyle = c.quiet;
    ctx.beginPath();
    for (let i = 0; i < bars.length; i += 3) ctx.rect(bars[i], bars[i + 1], Math.max(1, bars[i + 2]), 2.5);
    ctx.fill();
    // What broke jumps out: framed, with a mark that needs no colour.
    ctx.strokeStyle = c.text;
    ctx.lineWidth = large ? 2 : 1;
    ctx.beginPath();
    for (let i = 0; i < broken.length; i += 2) {
      const x = broken[i] + gap, y = broken[i + 1] + gap, w = this.cell - 2 * gap, h = Math.max(1, this.row - 2 * gap - below);
      ctx.rect(x, y, w, h);
      if (!large) continue;
      ctx.moveTo(x + w / 2 - 3, y + 3);
      ctx.lineTo(x + w / 2 + 3, y + h - 3);
      ctx.moveTo(x + w / 2 + 3, y + 3);
      ctx.lineTo(x + w / 2 - 3, y + h - 3);
    }
    ctx.stroke();
  }

  #marks() {
    const { ctx, colours: c } = this.stage;
    for (const [cell, colour, line] of [[this.hover, c.text, 1.5], [this.chosen, c.accent, 3]]) {
      const at = cell ? this.shown.indexOf(cell[0]) : -1;
      if (at < 0) continue;
      ctx.strokeStyle = colour;
      ctx.lineWidth = line;
      ctx.strokeRect(this.left + cell[1] * this.cell - this.x + 0.5, this.#top(at) + 0.5, this.cell - 1, Math.max(3, this.row - 1));
    }
  }

  #names(from, to) {
    const { ctx, colours: c } = this.stage;
    ctx.save();
    ctx.beginPath();
    ctx.rect(0, this.#head(), this.left, this.stage.height);
    ctx.clip();
    ctx.font = `12px ${c.font}`;
    for (let at = from; at < to; at++) {
      const row = this.shown[at];
      if (this.row < NAMED && (this.broke[row] < 0 || this.row < 6 || at % 2)) continue;
      ctx.fillStyle = this.broke[row] >= 0 ? c.failed : c.text;
      ctx.fillText(cut(this.rows[row], this.left - 12), 6, this.#top(at) + Math.min(this.row - 4, 13));
    }
    ctx.restore();
  }

  #heads() {
    const { ctx, colours: c, width } = this.stage;
    const head = this.#head();
    ctx.save();
    ctx.beginPath();
    ctx.rect(this.left, 0, width - this.left - STRIP, head);
    ctx.clip();
    ctx.font = `11px ${c.font}`;
    ctx.fillStyle = c.quiet;
    this.columns.forEach((name, column) => {
      const x = this.left + (column + 0.5) * this.cell - this.x;
      ctx.save();
      if (head === SLANTED) {
        ctx.translate(x + 4, head - 6);
        ctx.rotate(-Math.PI / 2);
        ctx.fillText(cut(name, SLANTED - 10), 0, 0);
      } else if (this.cell >= 24 || column % 2 === (this.columns.length - 1) % 2) {
        ctx.textAlign = "center";
        ctx.fillText(name, x, 15);
      }
      ctx.restore();
    });
    ctx.restore();
    ctx.fillStyle = c.line;
    ctx.fillRect(0, head - 1, width, 1);
  }

  /** All rows at once, each as its worst square; and which of them are seen. */
  #strip() {
    const { ctx, colours: c, width, height } = this.stage;
    const head = this.#head(), room = height - head, left = width - STRIP + 4;
    ctx.fillStyle = c.surface;
    ctx.fillRect(width - STRIP, 0, STRIP, height);
    const one = room / Math.max(this.shown.length, 1);
    for (const code of "dbf") {
      ctx.fillStyle = c.codes[code].fill;
      ctx.beginPath();
      this.shown.forEach((row, at) => {
        if (CODES[this.worst[row]] === code) ctx.rect(left, head + at * one, STRIP - 8, Math.max(code === "f" ? 1.5 : 0.5, one));
      });
      ctx.fill();
    }
    ctx.strokeStyle = c.text;
    ctx.lineWidth = 1.5;
    ctx.strokeRect(left - 2, head + (this.y / this.row) * one, STRIP - 4, Math.min(room - 1, (room / this.row) * one));
  }
}

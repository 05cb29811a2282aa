// Machines over time: a lane for each slot of the workers, a bar for each build.
import { onChange, openBuild, Stage, took } from "./stage.js";

const ROW = 20; // px of a lane
const BAR = 16;
const TOP = 24; // for the hours
const NEAR = 3; // px beside a bar that still count
const NAMED = 40; // px from which a bar has a name
const SLACK = 10_000; // ms that are asked for again: a transaction may end later than it says
const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const STEPS = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY];
const INK = "#0b0e11"; // on bars, light and dark

// What is drawn together, the last on top.
const LOOKS = ["ahead", "cancelled", "built", "building", "lost", "failed"];
const lookOf = { built: "built", failed: "failed", cancelled: "cancelled", released: "cancelled", "": "building" };
const words = { "": "building", infrastructure: "infrastructure error", lost: "worker lost", "timed-out": "timed out", released: "returned" };

export class TimePicture {
  constructor(section) {
    this.section = section;
    const { bars, from, until } = section.dataset;
    this.address = bars;
    this.from = Number(from);
    this.until = Number(until);
    this.live = "live" in section.dataset;
    this.end = this.live ? this.until + (this.until - this.from) / 4 : this.until; // of what is asked for
    this.says = document.getElementById("picture-says");
    this.bars = new Map(); // by build and attempt
    this.lanes = [];
    this.chosen = null;
    this.hover = null;
    this.y = 0;
  }

  async start() {
    await this.#fetch(this.from);
    const host = document.getElementById("picture-stage");
    host.style.height = `${Math.min(TOP + this.lanes.length * ROW + 6, Math.max(240, innerHeight * 0.72))}px`;
    this.stage = new Stage(host, {
      label: "Machines over time. Left and right go along a slot, up and down to others, Enter opens the build; the table below shows the same.",
      shortcuts: "ArrowLeft ArrowRight ArrowUp ArrowDown Enter + - 0",
      camera: this,
      keys: this.#keys(),
      draw: () => this.#draw(),
      resized: (width) => this.#resized(width),
      moved: () => this.#moved(),
      hover: (x, y) => this.#onHover(x, y),
      click: (x, y, event) => this.#onClick(x, y, event),
    });
    if (this.live) {
      setInterval(() => this.#tick(), 1000);
      onChange(() => this.#refresh());
    }
  }

  // ---- data

  async #fetch(from) {
    const answer = await fetch(`${this.address}&from=${Math.round(from)}&until=${Math.round(this.end)}`);
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    this.#take(await answer.json());
  }

  /** Takes an answer over: of the whole time, or of what is new. */
  #take(wire) {
    this.now = wire.now;
    this.clock = Date.now() - wire.now;
    const key = (worker, slot) => `${worker} ${slot}`;
    const known = new Map(this.lanes.map((lane) => [key(lane.worker, lane.slot), lane]));
    for (const lane of known.values()) lane.present = false;
    const places = wire.lanes.map((worker, i) => {
      const at = key(worker, wire.slots[i]);
      const lane = known.get(at) ?? { worker, slot: wire.slots[i] };
      lane.present = wire.present[i];
      known.set(at, lane);
      return lane;
    });
    this.lanes = [...known.values()].sort((a, b) => (a.worker < b.worker ? -1 : a.worker > b.worker ? 1 : a.slot - b.slot));
    for (const [at, bar] of this.bars) if (bar.attempt === 0) this.bars.delete(at); // the old forecast
    for (const list of [wire.bars, wire.ahead]) {
      for (let i = 0; i < list.length; i += 8) {
        const [lane, build, attempt, name, space, outcome, start, ms] = list.slice(i, i + 8);
        const what = wire.outcomes[outcome];
        this.bars.set(`${build}/${attempt}`, {
          lane: places[lane], build, attempt, name: wire.names[name], space: wire.spaces[space], outcome: what, start, end: ms < 0 ? Infinity : start + ms,
          look: attempt === 0 ? "ahead" : lookOf[what] ?? "lost",
        });
      }
    }
    for (const lane of this.lanes) lane.bars = [];
    for (const bar of this.bars.values()) bar.lane.bars.push(bar);
    for (const lane of this.lanes) lane.bars.sort((a, b) => a.start - b.start);
    if (this.chosen) this.chosen = this.bars.get(`${this.chosen.build}/${this.chosen.attempt}`) ?? null;
  }

  /** Something has changed: fetches what ran since the last time. */
  async #refresh() {
    this.end = Math.max(this.end, this.#time() + (this.until - this.from) / 4);
    const before = this.chosen;
    await this.#fetch(this.now - SLACK);
    if (before && this.chosen && before.outcome !== this.chosen.outcome) this.#say(this.words(this.chosen));
    this.stage.redraw();
  }

  #time() { return this.live ? Date.now() - this.clock : this.until; }

  /** Time goes on: the line of now moves, and the view with it when it shows it. */
  #tick() {
    if (document.hidden) return;
    if (this.following) this.t0 += 1000;
    this.stage.redraw();
  }

  // ---- the view

  #resized(width) {
    this.left = width < 600 ? 76 : 150;
    if (this.k) return this.#moved();
    this.#fit();
  }

  #fit() {
    this.t0 = this.from;
    this.k = (this.stage.width - this.left) / (this.end - this.from);
    this.y = 0;
    this.following = this.live;
  }

  x(t) { return this.left + (t - this.t0) * this.k; }

  zoom(factor, x = (this.stage.width + this.left) / 2) {
    const t = this.t0 + (x - this.left) / this.k;
    const least = (this.stage.width - this.left) / (2 * (this.end - this.from));
    this.k = Math.min(0.1, Math.max(least, this.k * factor));
    this.t0 = t - (x - this.left) / this.k;
  }

  pan(dx, dy) {
    this.t0 -= dx / this.k;
    this.y -= dy;
  }

  /** The picture never leaves the view altogether. */
  #moved() {
    const { stage } = this;
    const shown = (stage.width - this.left) / this.k;
    this.t0 = Math.min(this.end - shown / 8, Math.max(this.from - (shown * 7) / 8, this.t0));
    this.y = Math.max(0, Math.min(this.y, TOP + this.lanes.length * ROW + 6 - stage.height));
    const now = this.#time();
    this.following = this.live && this.x(now) > this.left && this.x(now) < stage.width;
    stage.point("");
    stage.redraw();
  }

  // ---- bars

  #barAt(x, y) {
    if (y < TOP || x < this.left) return null;
    const lane = this.lanes[Math.floor((y - TOP + this.y) / ROW)];
    if (!lane) return null;
    const t = this.t0 + (x - this.left) / this.k, near = NEAR / this.k;
    const at = firstEnding(lane.bars, t - near, this.#time());
    let best = null, least = Infinity;
    for (let i = at; i < lane.bars.length && lane.bars[i].start <= t + near; i++) {
      const off = Math.max(0, lane.bars[i].start - t, t - this.#endOf(lane.bars[i]));
      if (off < least) [best, least] = [lane.bars[i], off];
    }
    return best;
  }

  #endOf(bar) { return bar.end === Infinity ? Math.max(bar.start, this.#time()) : bar.end; }

  /** What a bar says to somebody who does not see it. */
  words(bar) {
    const clock = (t) => new Date(t).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    const time = took((this.#endOf(bar) - bar.start) / 1000);
    const what = bar.attempt === 0 ? `forecast: starts about ${clock(bar.start)}, takes about ${time}`
      : bar.end === Infinity ? `building since ${clock(bar.start)}, ${time}`
      : `${words[bar.outcome] ?? bar.outcome} in ${time}, ${clock(bar.start)} to ${clock(bar.end)}`;
    return `${bar.name}, ${what}, ${bar.space}, ${bar.lane.worker} slot ${bar.lane.slot + 1}`;
  }

  choose(bar) {
    this.chosen = bar;
    if (bar) {
      const { stage } = this;
      const left = this.x(bar.start), right = this.x(this.#endOf(bar));
      if (left < this.left + 20) this.pan(this.left + 60 - left, 0);
      else if (right > stage.width - 20) this.pan(Math.max(stage.width - 60 - right, this.left + 20 - left), 0);
      const top = TOP + this.lanes.indexOf(bar.lane) * ROW - this.y;
      if (top < TOP) this.y -= TOP - top;
      else if (top + ROW > stage.height) this.y += top + ROW - stage.height;
      this.#say(this.words(bar));
      this.#moved();
    }
    this.stage.redraw();
  }

  #say(text) { this.says.textContent = text; }

  #onHover(x, y) {
    const bar = this.#barAt(x, y);
    if (bar !== this.hover) this.stage.redraw();
    this.hover = bar;
    this.stage.canvas.style.cursor = bar ? "pointer" : "";
    this.stage.point(bar ? this.words(bar) : "", x, y);
  }

  #onClick(x, y, event) {
    const bar = this.#barAt(x, y);
    if (!bar) return this.choose(null);
    openBuild(bar.build, event);
  }

  #keys() {
    const first = () => {
      const some = this.lanes.find((lane) => lane.bars.length > 0);
      if (some) this.choose(some.bars.findLast((bar) => bar.attempt > 0) ?? some.bars[0]);
    };
    const along = (step) => () => {
      if (!this.chosen) return first();
      const list = this.chosen.lane.bars;
      const next = list[list.indexOf(this.chosen) + step];
      if (next) this.choose(next);
      else this.#say(step < 0 ? "There is no earlier build in this slot." : "There is no later build in this slot.");
    };
    const across = (step) => () => {
      if (!this.chosen) return first();
      const middle = (this.chosen.start + this.#endOf(this.chosen)) / 2;
      for (let at = this.lanes.indexOf(this.chosen.lane) + step; this.lanes[at]; at += step) {
        const list = this.lanes[at].bars;
        if (list.length > 0) return this.choose(list[Math.min(firstEnding(list, middle, this.#time()), list.length - 1)]);
      }
      this.#say("There is no other slot with builds in this direction.");
    };
    const zoom = (factor) => () => {
      this.zoom(factor, this.chosen ? this.x((this.chosen.start + this.#endOf(this.chosen)) / 2) : undefined);
      this.#moved();
    };
    const pan = (dx, dy) => () => {
      this.pan(dx, dy);
      this.#moved();
    };
    return {
      ArrowLeft: along(-1), ArrowRight: along(1), ArrowUp: across(-1), ArrowDown: across(1),
      Enter: () => this.chosen && openBuild(this.chosen.build),
      "+": zoom(1.4), "=": zoom(1.4), "-": zoom(1 / 1.4), 0: () => this.fit(),
      "Shift+ArrowLeft": pan(80, 0), "Shift+ArrowRight": pan(-80, 0), "Shift+ArrowUp": pan(0, 3 * ROW), "Shift+ArrowDown": pan(0, -3 * ROW),
      Escape: () => (this.chosen ? this.choose(null) : this.stage.canvas.blur()),
    };
  }

  fit() {
    this.#fit();
    this.stage.redraw();
  }

  zoomBy(factor) {
    this.zoom(factor);
    this.#moved();
  }

  // ---- drawing

  #draw() {
    const { ctx, colours: c, width, height } = this.stage;
    const from = Math.floor(this.y / ROW), to = Math.min(this.lanes.length, Math.ceil((this.y + height - TOP) / ROW));
    ctx.fillStyle = c.page;
    for (let at = from; at < to; at++) if (at % 2) ctx.fillRect(0, TOP + at * ROW - this.y, width, ROW);
    this.#hours();
    this.#bars(from, to);
    this.#nowLine();
    this.#marks();
    this.#names(from, to);
    if (!this.drawn) performance.mark("picture-drawn");
    this.drawn = true;
    this.section.dataset.drawn = `${this.lanes.length} ${this.bars.size}`;
  }

  /** Lines and words for the time of day. */
  #hours() {
    const { ctx, colours: c, width, height } = this.stage;
    const step = STEPS.find((s) => s * this.k >= 74) ?? STEPS.at(-1);
    const zone = new Date(this.t0).getTimezoneOffset() * MINUTE;
    ctx.save();
    ctx.font = `11px ${c.font}`;
    ctx.fillStyle = c.quiet;
    ctx.strokeStyle = c.line;
    ctx.lineWidth = 1;
    ctx.textAlign = "center";
    ctx.beginPath();
    for (let t = Math.ceil((this.t0 - zone) / step) * step + zone; this.x(t) < width; t += step) {
      const x = Math.round(this.x(t)) + 0.5;
      ctx.moveTo(x, TOP - 4);
      ctx.lineTo(x, height);
      const at = new Date(t);
      const midnight = at.getHours() === 0 && at.getMinutes() === 0;
      const text = midnight ? at.toLocaleDateString("en-GB", { day: "numeric", month: "short" }) : at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
      if (x > this.left + 16 && x < width - 16) ctx.fillText(text, x, 14);
    }
    ctx.stroke();
    ctx.restore();
  }

  #bars(from, to) {
    const { ctx, colours: c, width } = this.stage;
    const fills = { built: c["built-fill"], failed: c["failed-fill"], building: c["building-fill"], cancelled: c["skipped-fill"], lost: c.warning, ahead: c["pending-fill"] };
    const rects = Object.fromEntries(LOOKS.map((look) => [look, []]));
    const named = [];
    const end = this.t0 + (width - this.left) / this.k;
    for (let at = from; at < to; at++) {
      const { bars } = this.lanes[at];
      const y = TOP + at * ROW - this.y + (ROW - BAR) / 2;
      const last = {}; // the end of the last rectangle of each look: what lies on the same pixel is one
      for (let i = firstEnding(bars, this.t0, this.#time()); i < bars.length && bars[i].start < end; i++) {
        const bar = bars[i];
        const x = Math.max(this.left, this.x(bar.start));
        const wide = bar.look === "failed" || bar.look === "lost" ? 2.5 : 1;
        const w = Math.max(wide, this.x(this.#endOf(bar)) - x - 0.5);
        const list = rects[bar.look];
        if (x - last[bar.look] < 0.5 && w < 2) { // extend the one before
          list[list.length - 2] = x + w - list[list.length - 4];
        } else list.push(x, y, w, BAR);
        last[bar.look] = x + w;
        if (w >= NAMED) named.push([bar, x, y, w]);
      }
    }
    for (const look of LOOKS) {
      const list = rects[look];
      ctx.fillStyle = fills[look];
      ctx.globalAlpha = look === "ahead" ? 0.5 : 1;
      ctx.beginPath();
      for (let i = 0; i < list.length; i += 4) ctx.rect(list[i], list[i + 1], list[i + 2], list[i + 3]);
      ctx.fill();
    }
    ctx.globalAlpha = 1;
    ctx.save();
    ctx.font = `11px ${c.font}`;
    for (const [bar, x, y, w] of named) {
      ctx.fillStyle = ["ahead", "cancelled"].includes(bar.look) ? c.text : bar.look === "lost" ? c.surface : INK;
      ctx.fillText(cut(bar.name, w - 8), x + 4, y + 12);
    }
    ctx.restore();
  }

  #nowLine() {
    const x = this.x(this.#time());
    const { ctx, colours: c, width, height } = this.stage;
    if (!this.live || x < this.left || x > width) return;
    ctx.fillStyle = c.accent;
    ctx.fillRect(x - 1, TOP - 8, 2, height);
  }

  #marks() {
    const { ctx, colours: c } = this.stage;
    for (const [bar, colour, line] of [[this.hover, c.text, 1.5], [this.chosen, c.accent, 3]]) {
      if (!bar) continue;
      const x = this.x(bar.start);
      ctx.strokeStyle = colour;
      ctx.lineWidth = line;
      ctx.strokeRect(x - 1, TOP + this.lanes.indexOf(bar.lane) * ROW - this.y + 1, Math.max(3, this.x(this.#endOf(bar)) - x) + 2, ROW - 2);
    }
  }

  /** Whose the lanes are stays to be seen, whatever is moved. */
  #names(from, to) {
    const { ctx, colours: c, width, height } = this.stage;
    ctx.save();
    ctx.fillStyle = c.surface;
    ctx.fillRect(0, TOP, this.left, height);
    ctx.font = `12px ${c.font}`;
    for (let at = from; at < to; at++) {
      const { worker, slot, present } = this.lanes[at];
      const y = TOP + at * ROW - this.y;
      if (at % 2) {
        ctx.fillStyle = c.page;
        ctx.fillRect(0, y, this.left, ROW);
      }
      const some = this.lanes[at - 1]?.worker === worker || this.lanes[at + 1]?.worker === worker;
      const number = some ? ` ${slot + 1}` : "";
      ctx.fillStyle = present ? c.text : c.quiet;
      ctx.fillText(cut(worker, this.left - 14 - number.length * 7) + number, 6, y + 14);
    }
    ctx.fillStyle = c.line;
    ctx.fillRect(this.left - 1, 0, 1, height);
    ctx.fillStyle = c.surface;
    ctx.fillRect(0, 0, this.left - 1, TOP);
    ctx.fillStyle = c.line;
    ctx.fillRect(0, TOP - 1, width, 1);
    ctx.restore();
  }
}

/** The first bar that ends after a time: those of a lane follow one another. */
function firstEnding(bars, t, now) {
  let low = 0, high = bars.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const { end } = bars[middle];
    if ((end === Infinity ? now : end) > t) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** As much of a name as so many px have room for. */
export function cut(name, px) {
  const room = Math.max(1, Math.floor(px / 6.4));
  return name.length <= room ? name : name.slice(0, Math.max(1, room - 1)) + "…";
}

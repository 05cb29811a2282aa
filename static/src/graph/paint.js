// Draws a scene on a canvas. What can be drawn together is: one path for all
// lines of a kind, one for all boxes of a status.
import { CODES, NODE_HEIGHT } from "./scene.js";
import { SHAPES } from "./colours.js";

const NAMES_FROM = 0.42; // zoom from which names can be read
const LINES_FROM = 0.34; // zoom from which the lines of a large picture are drawn, not only those of the choice
const MANY_HELD = 400; // lines; when so many are held up, the boxes say it well enough
const PLAIN = 0.2; // below it, lines are neither bent nor dashed
const LARGE = 1500; // pieces of lines
const LONG = 900; // px; longer pieces are faded
const STUB = 16; // px that are drawn of a line that leads far away
const DASHES = [[], [5, 3], [1.5, 3]];
const CUT_DASH = [6, 3, 1.5, 3];
const FAINT = 0.12; // of what the legend switches off
const BATCH = 1500; // pieces in one path: longer ones are slower

/** Draws. chosen is a box or -1, hover too. */
export function paint(ctx, { scene, camera, colours, chosen, hover, ratio, view, faint = new Set(), minimap }) {
  const p = new Painter(ctx, scene, camera, colours, ratio);
  p.clear();
  // No step leaves its pen to the next: a mode that draws less would draw otherwise.
  for (const step of [() => p.bands(), () => p.lines(chosen), () => p.boxes(chosen, hover, faint), () => p.blockers(faint), () => p.heads(view.mode)]) {
    ctx.save();
    step();
    ctx.restore();
  }
  ctx.save();
  minimap?.paint(ctx, { scene, camera, colours, ratio });
  ctx.restore();
}

class Painter {
  constructor(ctx, scene, camera, colours, ratio) {
    Object.assign(this, { ctx, scene, camera, c: colours, ratio });
    const k = (this.k = camera.k);
    this.left = -camera.x / k;
    this.top = -camera.y / k;
    this.right = this.left + camera.width / k;
    this.bottom = this.top + camera.height / k;
    this.far = k < NAMES_FROM;
  }

  clear() {
    const { ctx, camera, ratio } = this;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.fillStyle = this.c.surface;
    ctx.fillRect(0, 0, camera.width, camera.height);
    ctx.setTransform(ratio * this.k, 0, 0, ratio * this.k, ratio * camera.x, ratio * camera.y);
  }

  /** Every second level lies on a darker ground. */
  bands() {
    const { ctx, scene } = this;
    ctx.fillStyle = this.c.page;
    scene.levels.forEach((level, i) => {
      if (i % 2 === 0 || level.x > this.right + 20 || level.x + level.width < this.left - 20) return;
      ctx.fillRect(level.x - 12, this.top, level.width + 24, this.bottom - this.top);
    });
  }

  lines(chosen) {
    const { scene, k } = this;
    const pieces = scene.pieceStyle.length;
    const all = pieces < LARGE || k >= LINES_FROM;
    if (all) {
      const alpha = chosen >= 0 ? 0.45 : 1;
      for (let style = 0; style < 3; style++) this.#background(style, alpha);
      const large = pieces >= LARGE;
      this.#cuts((from, to) => !large || Math.max(Math.abs(scene.x[from] - scene.x[to]), Math.abs(scene.y[from] - scene.y[to])) < LONG, alpha);
    }
    if (scene.heldLines.size < MANY_HELD) this.#strong(scene.heldPieces, this.c["failed-fill"], 1.4, 0.8);
    this.#strong(scene.chainPieces, this.c.accent, 2.2, 1, true);
    if (chosen >= 0) {
      const own = [...scene.into[chosen], ...scene.from[chosen]];
      const { heldLines: held, chainLines: chain } = scene;
      const draw = (wanted, colour, width) => this.#strong(scene.piecesBy(own.filter(wanted)), colour, width, 1, true);
      draw((line) => !held.has(line) && !chain.has(line), this.c.text, 2);
      draw((line) => held.has(line), this.c["failed-fill"], 2.6);
      draw((line) => chain.has(line), this.c.accent, 3.2);
      this.#cuts((from, to) => from === chosen || to === chosen, 1);
    }
  }

  #background(style, alpha) {
    const { ctx, scene, k } = this;
    const width = Math.max(1, 0.7 / k);
    for (const long of [true, false]) {
      const some = [];
      for (let i = 0; i < scene.pieceStyle.length; i++) {
        if (scene.pieceStyle[i] === style && this.#isLong(i) === long && this.#worthDrawing(i)) some.push(i);
      }
      this.#pen(this.c["line-strong"], width, long ? [] : DASHES[style], alpha * (long ? 0.3 : 0.6));
      this.#stroke(some, this.scene.pieceStyle.length < LARGE);
    }
    ctx.globalAlpha = 1;
  }

  #stroke(pieces, whole) {
    const { ctx } = this;
    for (let at = 0; at < pieces.length; at += BATCH) {
      ctx.beginPath();
      for (let i = at; i < Math.min(at + BATCH, pieces.length); i++) this.#piece(pieces[i], whole);
      ctx.stroke();
    }
  }

  /** In a large picture, a line that only passes by says nothing: one of its ends must be seen. */
  #worthDrawing(i) {
    if (!this.#visible(i)) return false;
    if (this.scene.pieceStyle.length < LARGE) return true;
    const p = this.scene.pieces;
    return this.#inView(p[4 * i], p[4 * i + 1]) || this.#inView(p[4 * i + 2], p[4 * i + 3]) || p[4 * i + 1] === p[4 * i + 3];
  }

  #inView(x, y) {
    return x >= this.left && x <= this.right && y >= this.top && y <= this.bottom;
  }

  #isLong(i) {
    const p = this.scene.pieces;
    return p[4 * i + 2] - p[4 * i] > LONG || Math.abs(p[4 * i + 3] - p[4 * i + 1]) > LONG;
  }

  #pen(colour, width, dash, alpha) {
    const { ctx, k } = this;
    ctx.strokeStyle = colour;
    ctx.lineWidth = width;
    ctx.globalAlpha = alpha;
    ctx.setLineDash(k < PLAIN ? [] : dash);
  }

  #visible(i) {
    const p = this.scene.pieces;
    const y0 = p[4 * i + 1], y1 = p[4 * i + 3];
    return p[4 * i] <= this.right && p[4 * i + 2] >= this.left && Math.min(y0, y1) <= this.bottom && Math.max(y0, y1) >= this.top;
  }

  #piece(i, whole) {
    const { ctx } = this;
    const p = this.scene.pieces;
    const x0 = p[4 * i], y0 = p[4 * i + 1], x1 = p[4 * i + 2], y1 = p[4 * i + 3];
    ctx.moveTo(x0, y0);
    if (!whole && Math.abs(y1 - y0) > LONG) {
      // It leads far away: only its ends are drawn, until one of its builds is chosen.
      ctx.lineTo(x0 + STUB, y0);
      ctx.moveTo(x1 - STUB, y1);
      ctx.lineTo(x1, y1);
    } else if (y0 === y1 || this.k < PLAIN) ctx.lineTo(x1, y1);
    else ctx.bezierCurveTo((x0 + x1) / 2, y0, (x0 + x1) / 2, y1, x1, y1);
  }

  /** Draws pieces, by style, so that they stand out. */
  #strong(pieces, colour, width, alpha, always = this.scene.pieceStyle.length < LARGE) {
    const { ctx, k } = this;
    pieces.forEach((some, style) => {
      const seen = some.filter((i) => this.#visible(i) && (always || this.#worthDrawing(i)));
      const long = seen.filter((i) => this.#isLong(i)); // dashes would take long to draw
      this.#pen(colour, Math.max(width, width / k / 1.6), [], alpha);
      this.#stroke(long, always);
      this.#pen(colour, Math.max(width, width / k / 1.6), DASHES[style], alpha);
      this.#stroke(seen.filter((i) => !this.#isLong(i)), true);
    });
    ctx.globalAlpha = 1;
    ctx.setLineDash([]);
  }

  /** Cuts run back: arcs below the boxes, as in views.cutPath. */
  #cuts(wanted, alpha) {
    const { ctx, scene } = this;
    this.#pen(this.c.warning, Math.max(1.2, 0.8 / this.k), CUT_DASH, 0.85 * alpha);
    ctx.beginPath();
    for (let i = 0; i < scene.cuts.length; i += 2) {
      const a = scene.cuts[i], b = scene.cuts[i + 1];
      if (!wanted(a, b)) continue;
      const x0 = scene.x[a] + scene.w[a] / 3, x1 = scene.x[b] + (scene.w[b] * 2) / 3;
      const y0 = scene.y[a] + NODE_HEIGHT, y1 = scene.y[b] + NODE_HEIGHT;
      const low = Math.max(y0, y1) + Math.min(70, 18 + Math.abs(x0 - x1) / 16);
      if (Math.min(x0, x1) > this.right || Math.max(x0, x1) < this.left || Math.min(y0, y1) > this.bottom || low < this.top) continue;
      ctx.moveTo(x0, y0);
      ctx.bezierCurveTo(x0, low, x1, low, x1, y1);
    }
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.setLineDash([]);
  }

  /** Boxes whose status is among the faint ones are hardly seen, and have no names. */
  boxes(chosen, hover, faint) {
    const { scene } = this;
    const near = chosen >= 0 ? new Set([chosen, ...scene.dependencies(chosen), ...scene.dependents(chosen)]) : null;
    const groups = this.#group();
    for (const [code, boxes] of groups) {
      this.alpha = faint.has(code) ? FAINT : 1;
      this.ctx.globalAlpha = this.alpha;
      if (this.far) this.#farBoxes(code, boxes);
      else this.#nearBoxes(code, boxes, near);
    }
    this.ctx.globalAlpha = 1;
    if (!this.far) for (const [code, boxes] of groups) if (!faint.has(code)) this.#names(code, boxes);
    if (near && this.far) this.#outline(near, this.c.text, 1.2);
    if (hover >= 0) this.#outline([hover], this.c.accent, 2);
    if (chosen >= 0) this.#outline([chosen], this.c.accent, 3.5);
  }

  /** The boxes that are seen, by status, in the order in which they are drawn. */
  #group() {
    const { scene } = this;
    const groups = new Map([...CODES].map((code) => [code, []]));
    for (const level of scene.levels) {
      if (level.x > this.right || level.x + level.width < this.left) continue;
      for (const box of level.boxes) {
        if (scene.y[box] > this.bottom) break;
        if (scene.y[box] + NODE_HEIGHT >= this.top && scene.x[box] <= this.right) groups.get(scene.codes[box])?.push(box);
      }
    }
    return groups;
  }

  /** From far away, boxes are patches in the colour of their status; failures are larger. */
  #farBoxes(code, boxes) {
    const { ctx, scene, k } = this;
    const grow = code === "f" ? Math.max(0, 3 / k - NODE_HEIGHT / 2) : Math.max(0, 0.75 / k - NODE_HEIGHT / 2);
    ctx.fillStyle = this.c.codes[code].fill;
    ctx.beginPath();
    for (const b of boxes) ctx.rect(scene.x[b] - grow, scene.y[b] - grow, scene.w[b] + 2 * grow, NODE_HEIGHT + 2 * grow);
    ctx.fill();
  }

  #nearBoxes(code, boxes, near) {
    const { ctx, scene } = this;
    const look = this.c.codes[code];
    for (const strong of [false, true]) {
      const some = boxes.filter((b) => !!scene.onChain[b] === strong);
      if (some.length === 0) continue;
      ctx.beginPath();
      for (const b of some) {
        ctx.roundRect(scene.x[b], scene.y[b], scene.w[b], NODE_HEIGHT, 4);
        if (scene.isRegion(b)) ctx.roundRect(scene.x[b] + 3, scene.y[b] - 3, scene.w[b], NODE_HEIGHT, 4);
      }
      ctx.fillStyle = look.box;
      ctx.fill();
      this.#pen(look.line, strong ? 2.6 : 1.4, look.dash ? [3, 2] : [], this.alpha);
      ctx.stroke();
    }
    ctx.setLineDash([]);
  }

  #names(code, boxes) {
    const { ctx, scene, camera, ratio, k } = this;
    const look = this.c.codes[code];
    const shape = SHAPES[look.word];
    ctx.fillStyle = look.ink;
    for (const b of boxes) {
      const x = camera.x + (scene.x[b] + 9) * k, y = camera.y + (scene.y[b] + 9) * k;
      ctx.setTransform(ratio * k, 0, 0, ratio * k, ratio * x, ratio * y);
      ctx.fill(shape, "evenodd");
    }
    ctx.setTransform(ratio * k, 0, 0, ratio * k, ratio * camera.x, ratio * camera.y);
    ctx.textBaseline = "alphabetic";
    ctx.font = `12.5px ${this.c.font}`;
    ctx.fillStyle = this.c.text;
    for (const b of boxes) ctx.fillText(scene.labels[b], scene.x[b] + 27, scene.y[b] + 18.5, scene.w[b] - 32);
    ctx.font = `10px ${this.c.font}`;
    ctx.fillStyle = this.c.quiet;
    for (const b of boxes) {
      if (scene.further[b] > 0) this.#more(scene.further[b], scene.x[b] + scene.w[b] + 4, scene.y[b] + 8, "start");
      if (scene.before[b] > 0) this.#more(scene.before[b], scene.x[b] - 4, scene.y[b] + 8, "end");
    }
  }

  /** How many neighbours the picture leaves out; lines do not strike it through. */
  #more(n, x, y, align) {
    const { ctx } = this;
    const text = "+" + n.toLocaleString("en");
    ctx.textAlign = align;
    ctx.strokeStyle = this.c.surface;
    ctx.lineWidth = 3;
    ctx.strokeText(text, x, y);
    ctx.fillText(text, x, y);
    ctx.textAlign = "start";
  }

  #outline(boxes, colour, width) {
    const { ctx, scene, k } = this;
    this.#pen(colour, Math.max(width, width / k / 1.5), [], 1);
    const out = this.far ? 2 / k : 1;
    ctx.beginPath();
    for (const b of boxes) ctx.roundRect(scene.x[b] - out, scene.y[b] - out, scene.w[b] + 2 * out, NODE_HEIGHT + 2 * out, 4);
    ctx.stroke();
  }

  /** From far away nothing has a name but the failures that block most. */
  blockers(faint) {
    const { ctx, scene, camera, ratio } = this;
    if (!this.far || faint.has("f")) return;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.font = `600 12px ${this.c.font}`;
    const taken = [];
    for (const [box, blocks] of scene.worst()) {
      const text = scene.labels[box] + (blocks > 0 ? ` · blocks ${blocks.toLocaleString("en")}` : "");
      const w = ctx.measureText(text).width + 12;
      const x = Math.min(camera.width - w - 4, camera.x + (scene.x[box] + scene.w[box]) * this.k + 5);
      const y = camera.y + (scene.y[box] + NODE_HEIGHT / 2) * this.k - 9;
      if (x < 0 || y < 20 || y > camera.height - 18 || taken.some(([a, b, c]) => x < a + c && a < x + w && Math.abs(y - b) < 20)) continue;
      taken.push([x, y, w]);
      ctx.globalAlpha = 0.92;
      ctx.fillStyle = this.c["failed-tint"];
      ctx.fillRect(x, y, w, 18);
      ctx.globalAlpha = 1;
      ctx.strokeStyle = this.c["failed-fill"];
      ctx.lineWidth = 1;
      ctx.strokeRect(x + 0.5, y + 0.5, w - 1, 17);
      ctx.fillStyle = this.c.failed;
      ctx.fillText(text, x + 6, y + 13);
    }
  }

  /** What stands above the picture: the number of each level, or what the two sides are. */
  heads(mode) {
    const { ctx, scene, camera, ratio } = this;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.font = `11px ${this.c.font}`;
    ctx.textAlign = "center";
    if (mode === "near") this.#sides();
    if (mode !== "all") return;
    let free = -Infinity; // px from which there is room
    scene.levels.forEach((level, i) => {
      const middle = camera.x + (level.x + level.width / 2) * this.k;
      const text = level.width * this.k > 88 ? `Level ${i} · ${level.boxes.length}` : String(i);
      const half = ctx.measureText(text).width / 2 + 5;
      if (middle - half < free || middle < -half || middle > camera.width + half) return;
      free = middle + half;
      this.#head(text, middle, half);
    });
  }

  #head(text, middle, half) {
    const { ctx } = this;
    ctx.globalAlpha = 0.85;
    ctx.fillStyle = this.c.surface;
    ctx.fillRect(middle - half, 2, 2 * half, 16);
    ctx.globalAlpha = 1;
    ctx.fillStyle = this.c.quiet;
    ctx.fillText(text, middle, 14);
  }

  /** In its surroundings: what holds a build up, and what it holds. */
  #sides() {
    const { scene, camera } = this;
    if (scene.focus < 0) return;
    const left = camera.x + scene.x[scene.focus] * this.k;
    const right = left + scene.w[scene.focus] * this.k;
    for (const [text, from, to, any] of [
      ["← dependencies", 0, left, scene.into[scene.focus].length],
      ["dependents →", right, camera.width, scene.from[scene.focus].length],
    ]) {
      const half = this.ctx.measureText(text).width / 2 + 5;
      if (any && to - from > 2 * half) this.#head(text, Math.min(Math.max(from, 0) + half + 8, to - half), half);
    }
  }
}

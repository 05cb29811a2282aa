// A picture as the server sends it (graphview.EncodePicture), in arrays that are
// quick to draw from. Boxes, lines and points are called by their place.
export const NODE_HEIGHT = 28;

/** Letters of the states, in the order in which they are drawn: the last on top. */
export const CODES = "xkdpsbhf";

const COMPARED = 64; // failures whose dependents are counted
const NAMED = 8; // of them, those that are named from far away

export class Scene {
  constructor(wire) {
    this.width = wire.w;
    this.height = wire.h;
    this.focus = wire.focus;
    this.labels = wire.labels;
    this.keys = wire.keys;
    this.#readBoxes(wire);
    this.#readLines(wire);
    this.cuts = wire.cuts;
    this.byKey = new Map(wire.keys.map((key, i) => [key, i]).filter(([key]) => key));
    this.codes = new Array(this.size).fill("k");
    this.chain = []; // boxes of the longest chain
    this.onChain = new Uint8Array(this.size);
  }

  #readBoxes(wire) {
    const n = (this.size = wire.labels.length);
    const column = (k, kind = Int32Array) => kind.from({ length: n }, (_, i) => wire.boxes[6 * i + k]);
    [this.x, this.y, this.w, this.level, this.before, this.further] = [0, 1, 2, 3, 4, 5].map((k) => column(k));
    let id = 0;
    this.ids = wire.ids.map((d) => (d === 0 ? 0 : (id += d)));
    let region = 0;
    this.nodes = wire.nodes.map((node) => (node < 0 ? wire.regions[region++] : [node]));
    this.boxOf = new Map(); // by node
    this.nodes.forEach((nodes, box) => nodes.forEach((node) => this.boxOf.set(node, box)));
    this.levels = [];
    for (let i = 0; i < wire.levels.length; i += 3) {
      this.levels.push({ x: wire.levels[i], width: wire.levels[i + 1], boxes: [] });
    }
    for (let i = 0; i < n; i++) this.levels[this.level[i]].boxes.push(i);
    for (const level of this.levels) level.boxes.sort((a, b) => this.y[a] - this.y[b] || this.x[a] - this.x[b]);
  }

  #readLines(wire) {
    const points = wire.points.length / 4;
    const lines = wire.lines.length / 4;
    this.points = Int32Array.from(wire.points);
    this.lines = Int32Array.from(wire.lines);
    // Pieces to draw: one to each point, and one from each line's last point to its box.
    this.pieces = new Int32Array(4 * (points + lines));
    this.pieceStyle = new Uint8Array(points + lines);
    for (let i = 0; i < points; i++) {
      const [x, y] = this.#place(this.points[4 * i + 2]);
      this.pieces.set([x, y, this.points[4 * i], this.points[4 * i + 1]], 4 * i);
      this.pieceStyle[i] = this.points[4 * i + 3];
    }
    this.from = Array.from({ length: this.size }, () => []); // lines that leave a box
    this.into = Array.from({ length: this.size }, () => []);
    for (let i = 0; i < lines; i++) {
      const [from, to, point, style] = this.lines.subarray(4 * i, 4 * i + 4);
      const [x, y] = this.#place(point < 0 ? -1 - from : point);
      this.pieces.set([x, y, this.x[to], this.y[to] + NODE_HEIGHT / 2], 4 * (points + i));
      this.pieceStyle[points + i] = style;
      this.from[from].push(i);
      this.into[to].push(i);
    }
    this.firstLine = points; // among the pieces
  }

  /** A point, or for a negative one the right side of a box. */
  #place(point) {
    if (point >= 0) return [this.points[4 * point], this.points[4 * point + 1]];
    const box = -1 - point;
    return [this.x[box] + this.w[box], this.y[box] + NODE_HEIGHT / 2];
  }

  /** The pieces of a line, from its end to its beginning. */
  *piecesOf(line) {
    yield this.firstLine + line;
    for (let at = this.lines[4 * line + 2]; at >= 0; at = this.points[4 * at + 2]) yield at;
  }

  /** The pieces of some lines by style, each once. */
  piecesBy(lines) {
    const by = [[], [], []];
    const seen = new Set();
    for (const line of lines) {
      for (const piece of this.piecesOf(line)) {
        if (seen.has(piece)) break; // what comes before it was seen as well
        seen.add(piece);
        by[this.pieceStyle[piece]].push(piece);
      }
    }
    return by;
  }

  lineFrom(line) { return this.lines[4 * line]; }
  lineTo(line) { return this.lines[4 * line + 1]; }

  /** What a box waits for, and what waits for it, as far as the picture has it. */
  dependencies(box) { return this.into[box].map((line) => this.lineFrom(line)); }
  dependents(box) { return this.from[box].map((line) => this.lineTo(line)); }

  isRegion(box) { return this.keys[box] === ""; }

  /** Takes over where all builds stand. */
  show(codes, chain) {
    this.version = (this.version ?? 0) + 1;
    for (let i = 0; i < this.size; i++) {
      this.codes[i] = this.nodes[i].reduce((worst, node) => (CODES.indexOf(codes[node]) > CODES.indexOf(worst) ? codes[node] : worst), "x");
    }
    this.blockers = null;
    this.onChain.fill(0);
    this.chain = chain.map((node) => this.boxOf.get(node)).filter((box) => box !== undefined);
    for (const box of this.chain) this.onChain[box] = 1;
    this.chainLines = new Set();
    this.heldLines = new Set();
    for (let line = 0; line < this.lines.length / 4; line++) {
      const from = this.lineFrom(line);
      const to = this.lineTo(line);
      if (this.codes[to] === "h" && (this.codes[from] === "h" || this.codes[from] === "f")) this.heldLines.add(line);
      const at = this.onChain[from] ? this.chain.indexOf(from) : -1;
      if (at >= 0 && this.chain[at + 1] === to) this.chainLines.add(line);
    }
    this.chainPieces = this.piecesBy(this.chainLines);
    this.heldPieces = this.piecesBy(this.heldLines);
  }

  /** The failures that block most: pairs of a box and how many boxes wait for it in vain. */
  worst() {
    if (this.blockers) return this.blockers;
    const list = [];
    for (let box = 0; box < this.size && list.length < COMPARED; box++) if (this.codes[box] === "f") list.push([box, this.#blocks(box)]);
    list.sort((a, b) => b[1] - a[1]);
    return (this.blockers = list.slice(0, NAMED));
  }

  #blocks(box) {
    const seen = new Uint8Array(this.size);
    const queue = [box];
    let count = 0;
    for (let i = 0; i < queue.length; i++) {
      for (const line of this.from[queue[i]]) {
        const to = this.lineTo(line);
        if (seen[to] || this.codes[to] !== "h") continue;
        seen[to] = 1;
        count += this.nodes[to].length;
        queue.push(to);
      }
    }
    return count;
  }

  /** The box at a place; near counts within so many px. */
  at(x, y, near = 0) {
    for (const level of this.levels) {
      if (x < level.x - near || x > level.x + level.width + near) continue;
      for (const box of level.boxes) {
        if (this.y[box] > y + near) break;
        const inside = y <= this.y[box] + NODE_HEIGHT + near && x >= this.x[box] - near && x <= this.x[box] + this.w[box] + near;
        if (inside) return box;
      }
    }
    return -1;
  }

  /** The nearest of some boxes to another one, by height; -1 if there are none. */
  nearest(boxes, to) {
    let best = -1;
    for (const box of boxes) {
      if (best < 0 || Math.abs(this.y[box] - this.y[to]) < Math.abs(this.y[best] - this.y[to])) best = box;
    }
    return best;
  }

  /** The next box of the same level and column, up (-1) or down (1); else of the next column. */
  beside(box, step) {
    const column = this.levels[this.level[box]].boxes.slice().sort((a, b) => this.x[a] - this.x[b] || this.y[a] - this.y[b]);
    return column[column.indexOf(box) + step] ?? -1;
  }
}

// The graph page: a canvas in the place of the server's SVG, with the whole of
// the graph in reach. Without this file the page shows the SVG and the table.
import { Camera } from "./graph/camera.js";
import { readColours } from "./graph/colours.js";
import { exportPNG } from "./graph/export.js";
import { findBuilds } from "./graph/find.js";
import { keysOf } from "./graph/keys.js";
import { Live } from "./graph/live.js";
import { paint } from "./graph/paint.js";
import { followPointers } from "./graph/pointer.js";
import { NODE_HEIGHT, Scene } from "./graph/scene.js";

const READABLE = 0.8; // zoom at which names are easy to read
const LEGIBLE = 0.62; // at which they still are
const ABOUT_PAUSE = 120; // ms that a build is chosen before the page tells of it

class GraphPage {
  constructor(section) {
    this.section = section;
    this.base = section.dataset.base;
    this.view = { mode: section.dataset.view, focus: section.dataset.focus, collapse: "collapse" in section.dataset };
    this.stage = document.getElementById("graph-stage");
    this.about = document.getElementById("graph-about");
    this.says = document.getElementById("graph-says");
    this.camera = new Camera();
    this.chosen = -1;
    this.hover = -1;
    this.live = new Live((changed) => this.#onChange(changed));
  }

  async start() {
    const picture = await this.#fetchPicture(this.view);
    this.#makeCanvas();
    this.#connect();
    this.#setPicture(picture);
    this.live.start();
  }

  #makeCanvas() {
    const canvas = (this.canvas = document.createElement("canvas"));
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", "Build graph. Arrow keys go along edges and levels, question mark shows all keys; the table below shows the same.");
    canvas.setAttribute("aria-keyshortcuts", "ArrowLeft ArrowRight ArrowUp ArrowDown Enter f / + - 0 ?");
    this.tip = document.createElement("div");
    this.tip.className = "graph-tip";
    this.tip.hidden = true;
    this.ctx = canvas.getContext("2d", { alpha: false });
    this.stage.replaceChildren(canvas, this.tip);
    this.colours = readColours(this.stage);
  }

  #connect() {
    new ResizeObserver(() => this.#resize()).observe(this.stage);
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
      matchMedia(query).addEventListener("change", () => {
        this.colours = readColours(this.stage);
        this.redraw();
      });
    }
    followPointers(this.canvas, this.camera, {
      moved: () => this.#moved(),
      hover: (x, y) => this.#onHover(x, y),
      click: (x, y, event) => this.#onClick(x, y, event),
    });
    this.canvas.addEventListener("keydown", keysOf(this));
    this.canvas.addEventListener("dblclick", (event) => {
      const box = this.#boxAt(event.offsetX, event.offsetY);
      if (box >= 0) this.surroundings(box);
    });
    const zooms = { in: () => this.camera.zoom(1.4), out: () => this.camera.zoom(1 / 1.4), fit: () => this.camera.fit(this.scene) };
    this.section.addEventListener("click", (event) => {
      const how = event.target.closest("[data-zoom]")?.dataset.zoom;
      if (how) {
        zooms[how]();
        this.#moved();
      }
    });
    document.addEventListener("click", (event) => this.#onLink(event));
    document.getElementById("graph-png").addEventListener("click", () => exportPNG(this));
    this.field = findBuilds(this.base, (code) => this.colours.codes[code].word, (key) => this.#found(key));
  }

  // ---- what is shown

  async #fetchPicture(view) {
    const query = new URLSearchParams({ view: view.mode });
    const whole = view.mode === "all" && !view.collapse;
    if (whole) query.set("tag", this.section.dataset.tag);
    else if (view.focus) query.set("focus", view.focus);
    if (view.collapse) query.set("collapse", "1");
    const answer = await fetch(`${this.base}/picture?${query}`);
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    return new Scene(await answer.json());
  }

  /** Shows another part of the graph. */
  async show(view) {
    const mine = (this.view = { ...this.view, ...view });
    this.section.setAttribute("aria-busy", "true");
    try {
      const scene = await this.#fetchPicture(mine);
      if (mine === this.view) this.#setPicture(scene);
    } catch (error) {
      this.say(`The picture could not be loaded: ${error.message}.`);
    } finally {
      if (mine === this.view) this.section.removeAttribute("aria-busy");
    }
  }

  #setPicture(scene) {
    const first = !this.scene;
    this.scene = scene;
    this.hover = -1;
    this.tip.hidden = true;
    scene.show(this.live.codes, this.live.chain);
    this.#fitStage();
    this.#resize();
    const box = scene.byKey.get(this.view.focus) ?? (this.view.mode === "near" ? scene.focus : -1);
    this.#aim(box);
    this.choose(box, { quiet: true, look: false });
    this.#renderBar();
    if (scene.size === 0) this.say("There is nothing to show: no build has failed.");
    else if (!first) this.say(`${box < 0 ? "" : this.words(box) + ". "}${scene.size} builds in the picture.`);
  }

  /** A small picture needs no large stage. */
  #fitStage() {
    const room = Math.max(320, innerHeight * 0.68);
    this.stage.style.minHeight = `${Math.round(Math.min(room, Math.max(240, this.scene.height + 48)))}px`;
  }

  /** The first look: everything, or what is of interest, large enough to be read. */
  #aim(box) {
    const { camera, scene } = this;
    camera.fit(scene);
    if (camera.k >= LEGIBLE || (this.view.mode === "all" && scene.size > 600 && box < 0)) return;
    if (box < 0) box = scene.codes.indexOf("f");
    if (box < 0 && scene.size > 600) return;
    camera.k = READABLE;
    if (box < 0) {
      camera.x = 12;
      camera.y = Math.max(12, (camera.height - scene.height * camera.k) / 2);
      if (scene.height * camera.k > camera.height) camera.y = (camera.height - scene.height * camera.k) / 2;
      return;
    }
    camera.centre(scene.x[box] + scene.w[box] / 2, scene.y[box] + NODE_HEIGHT / 2);
    camera.fill(scene);
  }

  #renderBar() {
    const { mode, focus, collapse } = this.view;
    const address = (path, change) => {
      const query = new URLSearchParams();
      const all = { view: mode, focus, collapse: collapse ? "1" : "", ...change };
      for (const [name, value] of Object.entries(all)) if (value) query.set(name, value);
      return `${this.base}${path}?${query}`;
    };
    for (const link of this.section.querySelectorAll("a[data-view]")) {
      link.href = address("", { view: link.dataset.view });
      if (link.dataset.view === mode) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const join = document.getElementById("graph-collapse");
    join.href = address("", { collapse: collapse ? "" : "1" });
    join.textContent = collapse ? "Expand finished" : "Collapse finished";
    for (const kind of ["svg", "dot"]) document.getElementById(`graph-${kind}`).href = address(`.${kind}`, {});
    history.replaceState(null, "", address("", {}));
  }

  // ---- a build is chosen

  /** Chooses a box; -1 lets go. */
  choose(box, { quiet = false, look = true } = {}) {
    this.chosen = box;
    const { scene } = this;
    if (box >= 0 && look) this.camera.reveal(scene.x[box], scene.y[box], scene.w[box], NODE_HEIGHT);
    this.redraw();
    clearTimeout(this.aboutTimer);
    if (box < 0 || scene.isRegion(box)) {
      if (box >= 0) this.say(`${scene.labels[box]}: a region of builds that are done. Enter shows them.`);
      return;
    }
    const key = scene.keys[box];
    if (this.view.mode !== "near") {
      this.view = { ...this.view, focus: key };
      this.#renderBar();
    }
    if (!quiet) this.say(this.words(box));
    this.aboutTimer = setTimeout(() => this.#tell(key), quiet ? 0 : ABOUT_PAUSE);
  }

  /** What a box says to somebody who does not see it. */
  words(box) {
    const { scene } = this;
    const word = this.colours.codes[scene.codes[box]].word;
    const list = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
    return `${scene.keys[box]}, ${word}, level ${scene.level[box]}, ` +
      `${list(scene.into[box].length + scene.before[box], "dependency").replace("dependencys", "dependencies")}, ` +
      `${list(scene.from[box].length + scene.further[box], "dependent")}`;
  }

  async #tell(key) {
    if (this.told === key && this.toldAt === this.live.version) return;
    const answer = await fetch(`${this.base}/about?build=${encodeURIComponent(key)}`).catch(() => null);
    if (!answer?.ok || this.scene.keys[this.chosen] !== key) return;
    this.about.innerHTML = await answer.text(); // our own server's fragment, escaped there
    [this.told, this.toldAt] = [key, this.live.version];
  }

  /** Shows what holds a build up and what it holds; a region is opened. */
  surroundings(box) {
    if (this.scene.isRegion(box)) return this.show({ collapse: false });
    return this.show({ mode: "near", focus: this.scene.keys[box] });
  }

  /** Opens a build's page; a region is opened in the picture. */
  open(box, inNewTab = false) {
    if (this.scene.isRegion(box)) return this.show({ collapse: false });
    const url = `/builds/${this.scene.ids[box]}`;
    if (inNewTab) window.open(url, "_blank", "noopener");
    else location.assign(url);
  }

  #found(key) {
    this.canvas.focus();
    if (key === null) return;
    const box = this.scene.byKey.get(key);
    if (this.view.mode !== "all" || box === undefined) return this.show({ mode: "near", focus: key });
    if (this.camera.k < READABLE) this.camera.k = READABLE;
    this.camera.centre(this.scene.x[box] + this.scene.w[box] / 2, this.scene.y[box] + NODE_HEIGHT / 2);
    this.choose(box);
  }

  say(text) {
    this.says.textContent = text;
  }

  // ---- events

  #onChange(changed) {
    if (!this.scene) return;
    this.scene.show(this.live.codes, this.live.chain);
    this.redraw();
    for (const [node] of changed) this.#updateRow(node);
    const mine = this.chosen >= 0 && changed.some(([node]) => this.scene.nodes[this.chosen].includes(node));
    if (mine) this.say(this.words(this.chosen));
    if (this.chosen >= 0 && changed.length > 0 && !this.scene.isRegion(this.chosen)) this.#tell(this.scene.keys[this.chosen]);
    const failures = changed.some(([node, before]) => "fh".includes(before) !== "fh".includes(this.live.codes[node]));
    if (failures && this.view.mode === "failed") this.show({});
  }

  /** The table says the same as the picture. */
  #updateRow(node) {
    const status = document.querySelector(`.levels [data-node="${node}"] .status`);
    if (!status) return;
    const word = this.colours.codes[this.live.codes[node]].shape;
    status.className = `status status-${word}`;
    status.textContent = word;
  }

  /** Links to other looks at this graph change the picture, not the page. */
  #onLink(event) {
    const link = event.target.closest("a[href]");
    if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || link.hasAttribute("download")) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || decodeURI(url.pathname) !== decodeURI(this.base) || url.hash) return;
    event.preventDefault();
    const mode = url.searchParams.get("view") ?? this.view.mode;
    this.show({ mode, focus: url.searchParams.get("focus") ?? this.view.focus, collapse: url.searchParams.has("collapse") });
    if (!link.closest(".graph-bar")) this.canvas.focus({ preventScroll: false });
  }

  #boxAt(x, y) {
    const [px, py] = this.camera.toPicture(x, y);
    return this.scene.at(px, py, this.camera.k < 0.4 ? 3 / this.camera.k : 0);
  }

  #onHover(x, y) {
    const box = this.#boxAt(x, y);
    if (box !== this.hover) {
      this.hover = box;
      this.canvas.style.cursor = box >= 0 ? "pointer" : "";
      this.redraw();
    }
    this.tip.hidden = box < 0;
    if (box < 0) return;
    this.tip.textContent = this.scene.isRegion(box) ? this.scene.labels[box] : `${this.scene.keys[box]}: ${this.colours.codes[this.scene.codes[box]].word}`;
    const left = Math.min(x + 14, this.camera.width - this.tip.offsetWidth - 4);
    this.tip.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, y - 34)}px)`;
  }

  /** The first click chooses, one on the chosen build opens it. */
  #onClick(x, y, event) {
    const box = this.#boxAt(x, y);
    if (box >= 0 && (event.ctrlKey || event.metaKey)) return this.open(box, true);
    if (box >= 0 && box === this.chosen && event.detail < 2) return this.open(box);
    this.choose(box, { look: false });
  }

  #moved() {
    this.camera.keepInside(this.scene);
    this.tip.hidden = true;
    this.redraw();
  }

  /** The picture was moved by a key. */
  pan(dx, dy) {
    this.camera.pan(dx, dy);
    this.#moved();
  }

  zoom(factor) {
    const { scene, chosen, camera } = this;
    if (factor === 0) camera.fit(scene);
    else if (chosen >= 0) {
      camera.zoom(factor, camera.x + (scene.x[chosen] + scene.w[chosen] / 2) * camera.k, camera.y + (scene.y[chosen] + NODE_HEIGHT / 2) * camera.k);
    } else camera.zoom(factor);
    this.#moved();
  }

  // ---- drawing

  #resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (width === 0 || height === 0) return;
    const { camera, canvas } = this;
    if (camera.width > 1) camera.pan((width - camera.width) / 2, (height - camera.height) / 2);
    [camera.width, camera.height, this.ratio] = [width, height, ratio];
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    this.redraw();
  }

  /** Draws at the next frame, once however often it is asked. */
  redraw() {
    if (this.frame || !this.scene) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      paint(this.ctx, this);
      if (!this.drawn) performance.mark("graph-drawn");
      this.drawn = true;
      this.section.dataset.drawn = `${this.view.mode} ${this.scene.size}`;
    });
  }
}

const section = document.getElementById("graph");
if (section) {
  new GraphPage(section).start().catch((error) => {
    document.getElementById("graph-says").textContent = `The picture cannot be moved: ${error.message}.`;
  });
}

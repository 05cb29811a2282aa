// The graph page: a canvas in the place of the server's SVG, with the whole of
// the graph in reach. Without this file the page shows the SVG and the table.
import { Camera } from "./graph/camera.js";
import { exportPNG } from "./graph/export.js";
import { findBuilds } from "./graph/find.js";
import { keysOf } from "./graph/keys.js";
import { Live } from "./graph/live.js";
import { paint } from "./graph/paint.js";
import { Minimap } from "./graph/minimap.js";
import { NODE_HEIGHT, Scene } from "./graph/scene.js";
import { openBuild, Stage } from "./pictures/stage.js";

const READABLE = 0.8; // zoom at which names are easy to read
const LEGIBLE = 0.62; // at which they still are
const ABOUT_PAUSE = 120; // ms that a build is chosen before the page tells of it

class GraphPage {
  constructor(section) {
    this.section = section;
    this.base = section.dataset.base;
    this.view = { mode: section.dataset.view, focus: section.dataset.focus, to: section.dataset.to, collapse: "collapse" in section.dataset, fold: "fold" in section.dataset };
    this.faint = new Set(); // statuses that the legend switches off
    this.minimap = new Minimap();
    this.host = document.getElementById("graph-stage");
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
    this.stage = new Stage(this.host, {
      label: "Build graph. Arrow keys go along edges and levels, question mark shows all keys; the table below shows the same.",
      shortcuts: "ArrowLeft ArrowRight ArrowUp ArrowDown Enter f / + - 0 ?",
      camera: this.camera,
      keys: keysOf(this),
      draw: () => this.#draw(),
      resized: (width, height) => this.#resized(width, height),
      moved: () => this.#moved(),
      hover: (x, y) => this.#onHover(x, y),
      click: (x, y, event) => this.#onClick(x, y, event),
    });
    this.canvas = this.stage.canvas;
  }

  get colours() { return this.stage.colours; }

  #connect() {
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
    document.addEventListener("submit", (event) => this.#onWay(event));
    addEventListener("popstate", () => this.show(viewOf(location), { remember: false }));
    this.section.addEventListener("click", (event) => this.#onLegend(event.target.closest("[data-code]")));
    document.getElementById("graph-png").addEventListener("click", () => exportPNG(this));
    this.field = findBuilds(this.base, (code) => this.colours.codes[code].word, (key) => this.#found(key));
  }

  // ---- what is shown

  async #fetchPicture(view) {
    const query = new URLSearchParams({ view: view.mode });
    const whole = view.mode === "all" && !view.collapse && !view.fold;
    if (whole) query.set("tag", this.section.dataset.tag);
    else if (view.focus) query.set("focus", view.focus);
    if (view.mode === "path") query.set("to", view.to);
    if (view.collapse) query.set("collapse", "1");
    if (view.fold) query.set("fold", "1");
    const answer = await fetch(`${this.base}/picture?${query}`);
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    return new Scene(await answer.json());
  }

  /** Shows another part of the graph; Back leads to the one before. */
  async show(view, { remember = true } = {}) {
    const mine = (this.view = { ...this.view, ...view });
    if (remember) history.pushState(null, "", this.#address("", {}));
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
    this.stage.point("");
    scene.show(this.live.codes, this.live.chain);
    this.#fitStage();
    this.stage.resize();
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
    this.host.style.minHeight = `${Math.round(Math.min(room, Math.max(240, this.scene.height + 48)))}px`;
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

  /** The address of what is shown, with some of it changed. */
  #address(path, change) {
    const { mode, focus, to, collapse, fold } = this.view;
    const query = new URLSearchParams();
    const all = { view: mode, focus, to: mode === "path" ? to : "", collapse: collapse ? "1" : "", fold: fold ? "1" : "", ...change };
    for (const [name, value] of Object.entries(all)) if (value) query.set(name, value);
    return `${this.base}${path}?${query}`;
  }

  #renderBar() {
    const { mode, collapse, fold } = this.view;
    const address = (path, change) => this.#address(path, change);
    for (const link of this.section.querySelectorAll("a[data-view]")) {
      link.href = address("", { view: link.dataset.view, to: "" });
      if (link.dataset.view === mode) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const join = document.getElementById("graph-collapse");
    join.href = address("", { collapse: collapse ? "" : "1" });
    join.textContent = collapse ? "Expand finished" : "Collapse finished";
    const families = document.getElementById("graph-fold");
    families.href = address("", { fold: fold ? "" : "1" });
    families.textContent = fold ? "Unfold families" : "Fold families";
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
      if (box >= 0) this.say(`${scene.labels[box]}: several builds in one box. Enter shows them.`);
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
    if (this.scene.isRegion(box)) return this.show({ collapse: false, fold: false });
    return this.show({ mode: "near", focus: this.scene.keys[box] });
  }

  /** Opens a build's page; a region is opened in the picture. */
  open(box, event) {
    if (this.scene.isRegion(box)) return this.show({ collapse: false, fold: false });
    return openBuild(this.scene.ids[box], event);
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
    if (failures && this.view.mode === "failed") this.show({}, { remember: false });
  }

  /** The table says the same as the picture. */
  #updateRow(node) {
    const status = document.querySelector(`.levels [data-node="${node}"] .status`);
    if (!status) return;
    const { word } = this.colours.codes[this.live.codes[node]];
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
    const { mode, focus, ...rest } = viewOf(url);
    this.show({ mode: mode ?? this.view.mode, focus: focus ?? this.view.focus, ...rest });
    if (!link.closest(".graph-bar")) this.canvas.focus({ preventScroll: false });
  }

  /** The form that asks for the ways to another build changes the picture, too. */
  async #onWay(event) {
    if (!event.target.matches(".graph-way")) return;
    event.preventDefault();
    const name = event.target.elements.to.value.trim();
    const found = await fetch(`${this.base}/find?q=${encodeURIComponent(name)}`).then((r) => (r.ok ? r.json() : [])).catch(() => []);
    if (found.length === 0) return this.say(`There is no build like ${name}.`);
    const from = event.target.elements.focus.value;
    await this.show({ mode: "path", focus: from, to: found[0].key });
    if (this.scene.lines.length === 0) this.say(`Neither of ${from} and ${found[0].key} waits for the other.`);
    this.canvas.focus();
  }

  /** A status of the legend is switched off or on. */
  #onLegend(button) {
    if (!button) return;
    const { code } = button.dataset;
    const off = !this.faint.has(code);
    if (off) this.faint.add(code);
    else this.faint.delete(code);
    button.setAttribute("aria-pressed", String(!off));
    this.redraw();
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
    if (box < 0) return this.stage.point("");
    this.stage.point(this.scene.isRegion(box) ? this.scene.labels[box] : `${this.scene.keys[box]}: ${this.colours.codes[this.scene.codes[box]].word}`, x, y);
  }

  /** The first click chooses, one on the chosen build opens it. */
  #onClick(x, y, event) {
    if (this.minimap.go(this.scene, this.camera, x, y)) return this.#moved();
    const box = this.#boxAt(x, y);
    if (box >= 0 && (event.ctrlKey || event.metaKey)) return this.open(box, event);
    if (box >= 0 && box === this.chosen && event.detail < 2) return this.open(box);
    this.choose(box, { look: false });
  }

  #moved() {
    this.camera.keepInside(this.scene);
    this.stage.point("");
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

  #resized(width, height) {
    const { camera } = this;
    if (camera.width > 1) camera.pan((width - camera.width) / 2, (height - camera.height) / 2);
    [camera.width, camera.height] = [width, height];
  }

  redraw() {
    if (this.scene) this.stage.redraw();
  }

  #draw() {
    if (!this.scene) return;
    paint(this.stage.ctx, { ...this, colours: this.colours, ratio: this.stage.ratio });
    if (!this.drawn) performance.mark("graph-drawn");
    this.drawn = true;
    this.section.dataset.drawn = `${this.view.mode} ${this.scene.size}`;
  }
}

/** What an address of this page shows. */
function viewOf(url) {
  const query = new URLSearchParams(url.search);
  const text = (name) => query.get(name) ?? undefined;
  return { mode: text("view"), focus: text("focus"), to: text("to"), collapse: query.has("collapse"), fold: query.has("fold") };
}

const section = document.getElementById("graph");
if (section) {
  new GraphPage(section).start().catch((error) => {
    document.getElementById("graph-says").textContent = `The picture cannot be moved: ${error.message}.`;
  });
}

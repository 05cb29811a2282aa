// A canvas that fills its host: sharp, in the colours of the theme, drawn at the
// next frame however often it is asked to, moved by pointers and keys. A word on what
// the pointer is on floats above it.
import { readColours } from "../graph/colours.js";
import { followPointers } from "../graph/pointer.js";

export class Stage {
  /** camera pans and zooms; keys are actions by key, those with Shift as "Shift+…". */
  constructor(host, { label, shortcuts, camera, keys, draw, resized, moved, hover, click }) {
    this.host = host;
    this.draw = draw;
    this.resized = resized;
    const canvas = (this.canvas = document.createElement("canvas"));
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", label);
    canvas.setAttribute("aria-keyshortcuts", shortcuts);
    this.tip = document.createElement("div");
    this.tip.className = "graph-tip";
    this.tip.hidden = true;
    this.ctx = canvas.getContext("2d", { alpha: false });
    host.replaceChildren(canvas, this.tip);
    this.colours = readColours(host);
    followPointers(canvas, camera, { moved, hover, click, outside: (x, y) => this.#invite(x, y) });
    canvas.addEventListener("keydown", (event) => press(keys, event));
    new ResizeObserver(() => this.resize()).observe(host);
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
      matchMedia(query).addEventListener("change", () => {
        this.colours = readColours(host);
        this.redraw();
      });
    }
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (width === 0 || height === 0) return;
    const ratio = (this.ratio = Math.min(devicePixelRatio || 1, 2));
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    const { canvas } = this;
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    [this.width, this.height] = [width, height];
    this.resized(width, height);
    this.redraw();
  }

  redraw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (!this.width) return;
      const { ctx, ratio } = this;
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      ctx.fillStyle = this.colours.surface;
      ctx.fillRect(0, 0, this.width, this.height);
      this.draw();
    });
  }

  /** Shows words at a place; without words, none. */
  point(text, x, y) {
    const { tip } = this;
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const left = Math.min(x + 14, this.width - tip.offsetWidth - 4);
    tip.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, y - 34)}px)`;
  }

  /** Says how to enter: until then the wheel and fingers scroll the page. */
  #invite(x, y) {
    this.point("Click the picture to zoom with the wheel", x, y);
    clearTimeout(this.invited);
    this.invited = setTimeout(() => this.point(""), 1500);
  }
}

function press(keys, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = (event.shiftKey && keys[`Shift+${event.key}`]) || keys[event.key];
  if (!act) return;
  event.preventDefault();
  event.stopPropagation(); // "/" leads to the search of the picture, not of the site
  act();
}

/** Opens the page of a build; with Ctrl, in a new tab. */
export function openBuild(id, event) {
  if (event?.ctrlKey || event?.metaKey) window.open(`/builds/${id}`, "_blank", "noopener");
  else location.assign(`/builds/${id}`);
}

/** Fetches again after every change of the page; once more when it changes meanwhile. */
export function onChange(fetchAgain) {
  let busy = false, missed = false;
  document.addEventListener("htmx:after:swap", async () => {
    missed = busy;
    if (busy) return;
    busy = true;
    do {
      missed = false;
      // The page says itself that the connection is lost; the next change asks again.
      await fetchAgain().catch(() => {});
    } while (missed);
    busy = false;
  });
}

/** Seconds in words, as views.Took. */
export function took(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
}

// The whole picture in a corner, with a frame around what is seen of it. It shows
// when there is more than that.
import { CODES } from "./scene.js";

const WIDEST = 170, TALLEST = 110, MARGIN = 8;

export class Minimap {
  /** Where it lies in the view, or null when all of the picture is seen anyway. */
  place(scene, camera) {
    if (camera.width < 480 || (scene.width * camera.k <= camera.width + 2 && scene.height * camera.k <= camera.height + 2)) return null;
    const k = Math.min(WIDEST / scene.width, TALLEST / scene.height);
    const [w, h] = [Math.max(12, scene.width * k), Math.max(12, scene.height * k)];
    return { x: camera.width - w - MARGIN, y: camera.height - h - MARGIN, w, h, kx: w / scene.width, ky: h / scene.height };
  }

  /** Moves the view to a place of the map; false when there is no map there. */
  go(scene, camera, x, y) {
    const at = this.place(scene, camera);
    if (!at || x < at.x || y < at.y || x > at.x + at.w || y > at.y + at.h) return false;
    camera.centre((x - at.x) / at.kx, (y - at.y) / at.ky);
    return true;
  }

  paint(ctx, { scene, camera, colours, ratio }) {
    const at = this.place(scene, camera);
    if (!at) return;
    if (this.scene !== scene || this.version !== scene.version || this.colours !== colours) this.#draw(scene, colours, at);
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.drawImage(this.canvas, at.x, at.y, at.w, at.h);
    ctx.strokeStyle = colours["line-strong"];
    ctx.lineWidth = 1;
    ctx.strokeRect(at.x - 0.5, at.y - 0.5, at.w + 1, at.h + 1);
    const left = Math.max(0, -camera.x / camera.k), top = Math.max(0, -camera.y / camera.k);
    const right = Math.min(scene.width, (camera.width - camera.x) / camera.k), bottom = Math.min(scene.height, (camera.height - camera.y) / camera.k);
    ctx.strokeStyle = colours.accent;
    ctx.lineWidth = 2;
    ctx.strokeRect(at.x + left * at.kx, at.y + top * at.ky, Math.max(4, (right - left) * at.kx), Math.max(4, (bottom - top) * at.ky));
  }

  /** Draws all boxes once, until statuses or colours change. */
  #draw(scene, colours, { w, h, kx, ky }) {
    [this.scene, this.version, this.colours] = [scene, scene.version, colours];
    const canvas = (this.canvas = document.createElement("canvas"));
    [canvas.width, canvas.height] = [Math.ceil(2 * w), Math.ceil(2 * h)];
    const ctx = canvas.getContext("2d", { alpha: false });
    ctx.scale(2, 2);
    ctx.fillStyle = colours.surface;
    ctx.fillRect(0, 0, w + 1, h + 1);
    for (const code of CODES) {
      ctx.fillStyle = colours.codes[code].fill;
      const least = code === "f" ? 3 : 1;
      for (let b = 0; b < scene.size; b++) {
        if (scene.codes[b] === code) ctx.fillRect(scene.x[b] * kx, scene.y[b] * ky, Math.max(least, scene.w[b] * kx), Math.max(least, 28 * ky));
      }
    }
  }
}

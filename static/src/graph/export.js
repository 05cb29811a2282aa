// The picture as a PNG file, made in the browser.
import { Camera } from "./camera.js";
import { paint } from "./paint.js";

const LARGEST = 8192; // px: more than that is no canvas in some browsers
const SHARP = 2;

export function exportPNG(page) {
  const { scene, colours, chosen } = page;
  const camera = new Camera();
  camera.k = Math.min(SHARP, LARGEST / scene.width, LARGEST / scene.height);
  camera.width = Math.max(1, Math.round(scene.width * camera.k));
  camera.height = Math.max(1, Math.round(scene.height * camera.k));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [camera.width, camera.height];
  paint(canvas.getContext("2d", { alpha: false }), { scene, camera, colours, chosen, hover: -1, ratio: 1, view: page.view });
  canvas.toBlob((blob) => {
    if (!blob) return page.say("The picture is too large for this browser. Export it as SVG.");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${page.base.split("/").slice(2, -1).join("-")}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }, "image/png");
}

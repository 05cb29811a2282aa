// Mouse, wheel, pen and fingers: pan, zoom, choose, open. The wheel and fingers
// scroll the page until the picture is entered: until it has the focus.
const STILL = 5; // px that a finger may move while it taps

export function followPointers(canvas, camera, on) {
  const down = new Map(); // pointers by id
  let moved = 0;
  const entered = () => document.activeElement === canvas;

  canvas.addEventListener("wheel", (event) => {
    if (!entered() && !event.ctrlKey) return on.outside?.(event.offsetX, event.offsetY);
    event.preventDefault();
    const step = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey) camera.pan(-(event.deltaX || event.deltaY) * step, 0);
    else camera.zoom(Math.exp(-event.deltaY * step * (event.ctrlKey ? 0.01 : 0.0015)), event.offsetX, event.offsetY);
    on.moved();
  }, { passive: false });

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    down.set(event.pointerId, [event.offsetX, event.offsetY]);
    canvas.setPointerCapture?.(event.pointerId);
    if (down.size === 1) moved = 0;
  });

  canvas.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) {
      on.hover(event.offsetX, event.offsetY);
      return;
    }
    const now = [event.offsetX, event.offsetY];
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    const other = [...down.entries()].find(([id]) => id !== event.pointerId)?.[1];
    if (other) pinch(camera, before, now, other);
    else if (event.pointerType === "touch" && !entered()) return;
    else if (moved > STILL) camera.pan(now[0] - before[0], now[1] - before[1]);
    down.set(event.pointerId, now);
    on.moved();
  });

  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    if (event.type === "pointerup" && moved <= STILL && down.size === 0) on.click(event.offsetX, event.offsetY, event);
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => on.hover(-1e9, -1e9));
}

/** Two fingers: their distance zooms, their middle pans. */
function pinch(camera, before, now, other) {
  const distance = (a) => Math.max(10, Math.hypot(a[0] - other[0], a[1] - other[1]));
  const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
  camera.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
  camera.zoom(distance(now) / distance(before), middle[0], middle[1]);
}

// Colours are those of the style sheet, for light or dark: the canvas cannot
// read them by itself.
const names = [
  "page", "surface", "sunken", "line", "line-strong", "text", "quiet", "accent", "mark", "warning", "failed-tint",
  "built", "failed", "building", "scheduled", "pending", "waiting", "blocked", "skipped",
  "built-fill", "failed-fill", "building-fill", "scheduled-fill", "pending-fill", "waiting-fill", "blocked-fill", "skipped-fill",
];

/** Reads the colours as they are now. */
export function readColours(host) {
  const probe = document.createElement("span");
  probe.hidden = true;
  host.append(probe);
  const c = {};
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    c[name] = getComputedStyle(probe).color;
  }
  c.font = getComputedStyle(host).fontFamily;
  probe.remove();
  c.codes = {
    d: { word: "built", ink: c.built, line: c["built-fill"], fill: c["built-fill"], box: c.surface },
    f: { word: "failed", ink: c.failed, line: c["failed-fill"], fill: c["failed-fill"], box: c["failed-tint"] },
    b: { word: "building", ink: c.building, line: c["building-fill"], fill: c["building-fill"], box: c.mark },
    s: { word: "scheduled", ink: c.scheduled, line: c["scheduled-fill"], fill: c["scheduled-fill"], box: c.surface },
    p: { word: "pending", ink: c.pending, line: c.pending, fill: c["pending-fill"], box: c.surface },
    x: { word: "skipped", ink: c.skipped, line: c["line-strong"], fill: c["skipped-fill"], box: c.surface, dash: true },
    k: { word: "waiting", ink: c.waiting, line: c["line-strong"], fill: c["waiting-fill"], box: c.surface, dash: true },
    h: { word: "blocked", ink: c.blocked, line: c["failed-fill"], fill: c["blocked-fill"], box: c.surface, dash: true },
  };
  return c;
}

// The shapes of status.css by word, in a square of 10.
const ring = "M5 0a5 5 0 1 0 0 10A5 5 0 1 0 5 0Zm0 2a3 3 0 1 1 0 6A3 3 0 1 1 5 2Z";
export const SHAPES = Object.fromEntries(
  Object.entries({
    built: "M1.3 4.5 0 6.2 4.2 10 10 2 8.3.5 4 6.8Z",
    failed: "M2 0 0 2 3 5 0 8 2 10 5 7 8 10 10 8 7 5 10 2 8 0 5 3Z",
    building: "M1.2 0 10 5 1.2 10Z",
    pending: ring,
    scheduled: ring + "M4 4h2v2H4Z",
    waiting: "M0 0H10L5.5 5 10 10H0L4.5 5Z",
    blocked: "M3 0H7L10 3V7L7 10H3L0 7V5.8H10V4.2H0V3Z",
    skipped: "M0 1H2L5.5 5 2 9H0L3.5 5ZM4.5 1h2L10 5 6.5 9h-2L8 5Z",
  }).map(([name, d]) => [name, new Path2D(d)]),
);

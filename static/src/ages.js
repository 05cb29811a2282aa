// Ages tick without requests. The words are those of views.Age; keep them equal.
const steps = [
  [60, 1, "s"],
  [3600, 60, "min"],
  [86400, 3600, "h"],
  [Infinity, 86400, "d"],
];

function words(seconds) {
  if (seconds < 5) return "now";
  const [, unit, name] = steps.find(([limit]) => seconds < limit);
  return `${Math.floor(seconds / unit)} ${name} ago`;
}

function tick() {
  if (document.hidden) return;
  for (const time of document.querySelectorAll("time[data-age]")) {
    const text = words((Date.now() - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}

setInterval(tick, 5000);
document.addEventListener("htmx:after:swap", tick); // parts that come later bring points in time
document.addEventListener("visibilitychange", tick);

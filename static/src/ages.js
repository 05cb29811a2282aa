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

// A time of day in this browser's time zone, with the day unless it is today's. Without
// script pages show UTC.
function clock(date) {
  const options = { hour: "2-digit", minute: "2-digit", hour12: false };
  if (date.toDateString() !== new Date().toDateString()) Object.assign(options, { weekday: "short", day: "numeric", month: "short" });
  return date.toLocaleString("en-GB", options);
}

function tick() {
  if (document.hidden) return;
  for (const time of document.querySelectorAll("time[data-clock]")) {
    const text = clock(new Date(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
  for (const time of document.querySelectorAll("time[data-age]")) {
    const text = words((Date.now() - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
    const title = new Date(time.dateTime).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "long" });
    if (time.title !== title) time.title = title;
  }
}

tick();
setInterval(tick, 5000);
document.addEventListener("htmx:after:swap", tick); // parts that come later bring points in time
document.addEventListener("visibilitychange", tick);

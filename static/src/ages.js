// Ages tick without requests. The words are those of views.Age; keep them equal.
const steps = [
  [60, 1, "s"],
  [3600, 60, "min"],
  [86400, 3600, "h"],
  [Infinity, 86400, "d"],
];

const aged = 2 * 86400; // seconds; what is older shows its date

function words(date) {
  const seconds = (Date.now() - date) / 1000;
  if (seconds < 5) return "now";
  if (seconds >= aged) {
    const options = { day: "numeric", month: "short" };
    if (date.getFullYear() !== new Date().getFullYear()) return date.toLocaleDateString("en-GB", { ...options, year: "numeric" });
    return date.toLocaleString("en-GB", { ...options, hour: "2-digit", minute: "2-digit", hour12: false }).replace("Sept", "Sep"); // as Go has it
  }
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

// A time of day below the heading of a day, which is the server's: with the day where
// this browser's is another.
function showTimeOf(time) {
  const date = new Date(time.dateTime);
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((n) => String(n).padStart(2, "0")).join("-");
  const options = { hour: "2-digit", minute: "2-digit", hour12: false };
  if (day !== time.dataset.timeOf) Object.assign(options, { day: "numeric", month: "short" });
  const text = date.toLocaleString("en-GB", options);
  if (time.textContent !== text) time.textContent = text;
  const title = date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "long" });
  if (time.title !== title) time.title = title;
}

function tick() {
  if (document.hidden) return;
  for (const time of document.querySelectorAll("time[data-clock]")) {
    const text = clock(new Date(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
  for (const time of document.querySelectorAll("time[data-time-of]")) showTimeOf(time);
  for (const time of document.querySelectorAll("time[data-age]")) {
    const text = words(new Date(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
    const title = new Date(time.dateTime).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "long" });
    if (time.title !== title) time.title = title;
  }
}

tick();
setInterval(tick, 5000);
document.addEventListener("htmx:after:swap", tick); // parts that come later bring points in time
document.addEventListener("visibilitychange", tick);

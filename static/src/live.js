// How a page stays current. Elements with data-topics ask the server for what has
// changed (hx-get), every few seconds and when a hint comes that is about one of
// their topics. An answer has the parts of the page that show something else than
// before (views/part.templ); 304 means that there are none.
import htmx from "htmx.org";
import { Stream } from "./live/stream.js";

const calm = 15_000; // ms between two questions while hints come: a lost one costs no more
const worker = document.currentScript?.dataset.hints;
const askedAt = new WeakMap();
let number = 0; // of the newest hint
let hinted = false; // whether hints come

const elements = () => [...document.querySelectorAll("[data-topics]")];
const topicsOf = (element) => element.dataset.topics.split(" ");
const asks = (ctx) => ctx?.sourceElement?.dataset?.topics !== undefined;

function poll(element) {
  if (element.isConnected && !document.hidden) htmx.trigger(element, "poll");
}

// ---- hints

function onHint(topics, at) {
  number = at;
  for (const element of elements()) {
    if (topicsOf(element).some((topic) => topics.includes(topic))) poll(element);
  }
}

function onState(on) {
  hinted = on;
}

/** Gives a function that says which topics to watch. */
function connect() {
  try {
    const { port } = new SharedWorker(worker, "hints");
    port.onmessage = ({ data }) => (data.hint ? onHint(data.hint, data.number) : onState(data.on));
    return (topics, since) => port.postMessage({ topics, since });
  } catch {
    const stream = new Stream(onHint, onState); // there are no shared workers: each page that is seen has a stream
    return (topics, since) => stream.watch(topics, since);
  }
}

let watch;
let watched = "";

/** Watches what the page shows; nothing while nobody sees it. */
function follow(seen = !document.hidden) {
  const shown = seen ? elements() : [];
  const topics = [...new Set(shown.flatMap(topicsOf))];
  if (topics.join(" ") === watched) return;
  watched = topics.join(" ");
  watch ??= connect();
  watch(topics, Math.max(number, Math.min(...shown.map((element) => Number(element.dataset.since)))));
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) elements().forEach(poll);
  follow();
});
addEventListener("pagehide", () => follow(false));
addEventListener("pageshow", (event) => {
  if (event.persisted) elements().forEach(poll);
  follow();
});

// ---- questions

// Setting If-None-Match by hand keeps the browser's cache out of it: the cache
// would turn the 304 into a 200 and the swap would happen.
document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  if (!asks(ctx)) return;
  const element = ctx.sourceElement;
  const early = hinted && ctx.sourceEvent.type === "every" && Date.now() - (askedAt.get(element) ?? performance.timeOrigin) < calm;
  if (document.hidden || early) {
    event.preventDefault();
    return;
  }
  askedAt.set(element, Date.now());
  if (element.dataset.tag) ctx.request.headers["If-None-Match"] = element.dataset.tag;
});

document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  if (!asks(ctx) || ctx.response.status >= 400) return;
  const tag = ctx.response.headers.get("ETag");
  if (tag) ctx.sourceElement.dataset.tag = tag;
  // The server says when it has an answer that is newer than this one.
  const wait = Number(ctx.response.headers.get("Retry-After"));
  if (wait > 0) setTimeout(() => poll(ctx.sourceElement), wait * 1000);
});

// A server that restarts, or is gone, must not wipe the page with its error: the
// question is asked again at the next tick, and the page says so.
document.addEventListener("htmx:before:response", (event) => {
  const { ctx } = event.detail;
  if (!asks(ctx)) return;
  const lost = ctx.response.status >= 500 || ctx.response.status === 429;
  document.body.classList.toggle("connection-lost", lost);
  if (lost) event.preventDefault();
});

document.addEventListener("htmx:error", (event) => {
  if (asks(event.detail.ctx)) document.body.classList.add("connection-lost");
});

// The icon of the tab says how it stands; the title comes with the answer itself.
document.addEventListener("htmx:after:swap", () => {
  const icon = document.getElementById("mood")?.dataset.icon;
  const link = document.querySelector("link[rel=icon]");
  if (icon && link.getAttribute("href") !== icon) link.href = icon;
  follow(); // a part may have brought an element that asks
});

// Polling with validators. htmx asks again and again; this sends the ETag of the
// last answer with each question, so that an unchanged page costs a 304 and no
// swap. Setting If-None-Match by hand keeps the browser's cache out of it: the
// cache would turn the 304 into a 200 and the swap would happen.
const tags = new Map(); // by URL: the element is replaced, its URL stays

function polls(ctx) {
  return ctx.sourceEvent?.type === "every" || ctx.sourceEvent?.type === "visibilitychange";
}

document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  if (!polls(ctx)) return;
  if (document.hidden) {
    event.preventDefault(); // a tab in the background stops asking
    return;
  }
  const tag = tags.get(ctx.request.action);
  if (tag) ctx.request.headers["If-None-Match"] = tag;
});

document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  const tag = ctx.response?.headers.get("ETag");
  if (polls(ctx) && tag && ctx.response.status < 400) tags.set(ctx.request.action, tag);
});

// A server that restarts, or is gone, must not wipe the page with its error:
// polls that fail are tried again at the next tick, and the page says so.
document.addEventListener("htmx:before:response", (event) => {
  const { ctx } = event.detail;
  if (!polls(ctx)) return;
  const lost = ctx.response.status >= 500 || ctx.response.status === 429;
  document.body.classList.toggle("connection-lost", lost);
  if (lost) event.preventDefault();
});

document.addEventListener("htmx:error", (event) => {
  if (polls(event.detail.ctx)) document.body.classList.add("connection-lost");
});

// The icon of the tab says how it stands; the title comes with the answer itself.
document.addEventListener("htmx:after:swap", () => {
  const icon = document.getElementById("mood")?.dataset.icon;
  const link = document.querySelector("link[rel=icon]");
  if (icon && link.getAttribute("href") !== icon) link.href = icon;
});

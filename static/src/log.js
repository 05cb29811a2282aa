// The log opens at its end and stays there while it grows, unless the reader
// has scrolled up. Only the newest chunks are kept in the page; the whole log is
// one click away as a file.
const keep = 400;
const near = 40; // px from the end that still count as "at the end"

let atEnd = true;

function log() {
  return document.getElementById("log");
}

function toEnd() {
  const box = log();
  if (box && atEnd) box.scrollTop = box.scrollHeight;
}

document.addEventListener("scroll", (event) => {
  if (event.target !== log()) return;
  const box = event.target;
  atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < near;
}, true);

document.addEventListener("htmx:after:swap", () => {
  const chunks = log()?.querySelectorAll(".log-chunk") ?? [];
  for (let i = 0; i < chunks.length - keep; i++) chunks[i].remove();
  toEnd();
});

toEnd();

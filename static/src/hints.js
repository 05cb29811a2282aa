// A SharedWorker: one stream of hints for all pages of a browser. Browsers open six
// connections to a server that speaks HTTP/1.1, so a stream for each page would
// leave none for the next page.
import { Stream } from "./live/stream.js";

const most = 50; // pages; one that crashed never says that it is gone
const pages = new Map(); // by port: the topics of a page that is seen, and since when

const stream = new Stream(
  (topics, number) => {
    for (const [port, page] of pages) {
      if (page.topics.some((topic) => topics.includes(topic))) port.postMessage({ hint: topics, number });
    }
  },
  (on) => {
    for (const port of pages.keys()) port.postMessage({ on });
  },
);

function watch() {
  while (pages.size > most) pages.delete(pages.keys().next().value);
  const all = [...pages.values()];
  stream.watch(all.flatMap((page) => page.topics), Math.min(...all.map((page) => page.since)));
}

self.onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    pages.delete(port); // a page that speaks is the newest
    if (data.topics.length > 0) pages.set(port, data);
    watch();
    if (data.topics.length > 0) port.postMessage({ on: stream.on });
  };
};

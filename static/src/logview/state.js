// Hears how long the log is: by Server-Sent Events, or by asking now and then
// where these do not come through. A page in a background tab hears nothing.
const period = 3000; // ms between questions

/** Calls tell with every new state until the attempt has ended. */
export function listen(url, tell) {
  let source = null;
  let timer = 0;
  let tag = "";
  let over = false;

  function hear(state) {
    document.body.classList.remove("connection-lost");
    over = !state.running;
    if (over) stop();
    tell(state);
  }

  async function ask() {
    timer = 0;
    try {
      const answer = await fetch(url, { headers: tag ? { "If-None-Match": tag } : {} });
      if (answer.ok) {
        tag = answer.headers.get("ETag") ?? "";
        hear(await answer.json());
      }
      document.body.classList.toggle("connection-lost", !answer.ok && answer.status !== 304);
    } catch {
      document.body.classList.add("connection-lost");
    }
    if (!over && !source && !document.hidden) timer = setTimeout(ask, period);
  }

  function start() {
    stop();
    if (over || document.hidden) return;
    source = new EventSource(url);
    source.addEventListener("state", (event) => hear(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) return; // the browser connects again
      stop();
      ask();
    });
  }

  function stop() {
    source?.close();
    source = null;
    clearTimeout(timer);
  }

  document.addEventListener("visibilitychange", start);
  start();
}

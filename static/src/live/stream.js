// One stream of hints from the server (Server-Sent Events) about some topics. When
// other topics are to be watched it is opened anew; the server is told how far the
// hints came, so that none is lost in between.
const settle = 50; // ms: pages that open or close at the same time cause one new stream
const again = 30_000; // ms until the next try when the server refuses: it is full

export class Stream {
  /** told(topics, number) is called for every hint, state(on) when the stream opens or breaks. */
  constructor(told, state) {
    this.told = told;
    this.state = state;
    this.key = "";
    this.number = 0;
    this.on = false;
  }

  /** Watches these topics, from a number on; none at all closes the stream. */
  watch(topics, since) {
    const wanted = [...new Set(topics)].sort();
    const key = wanted.join(" ");
    if (key === this.key && since >= this.number) return;
    this.key = key;
    this.number = Math.min(this.number || Infinity, since);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#open(wanted), settle);
  }

  #open(topics) {
    this.source?.close();
    this.source = null;
    if (topics.length === 0) {
      this.number = 0;
      return this.#set(false);
    }
    const query = new URLSearchParams(topics.map((topic) => ["topic", topic]));
    query.set("since", this.number);
    const source = (this.source = new EventSource(`/hints?${query}`));
    source.onopen = () => this.#set(true);
    source.onmessage = (event) => {
      this.number = Number(event.lastEventId);
      this.told(event.data.split(" "), this.number);
    };
    source.onerror = () => {
      this.#set(false);
      if (source.readyState === EventSource.CLOSED) this.timer = setTimeout(() => this.#open(topics), again);
    };
  }

  #set(on) {
    if (on === this.on) return;
    this.on = on;
    this.state(on);
  }
}

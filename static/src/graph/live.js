// Where the builds stand, asked again and again: the server tells only what has
// changed since the answer before.
const PERIOD = 2500; // ms

export class Live {
  constructor(base, onChange) {
    this.base = base;
    this.onChange = onChange;
    this.cursor = 0;
    this.codes = [];
    this.chain = [];
  }

  /** Asks once. */
  async ask() {
    const answer = await fetch(`${this.base}/state?since=${this.cursor}`);
    if (answer.status === 204) return;
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    this.#take(await answer.json());
  }

  #take(state) {
    const changed = [];
    if (state.codes) {
      this.codes = [...state.codes];
    } else if (state.since !== this.cursor) {
      return; // overtaken by another answer
    } else {
      for (const change of state.changed ?? []) {
        const node = parseInt(change, 10);
        changed.push([node, this.codes[node]]);
        this.codes[node] = change.at(-1);
      }
    }
    this.cursor = state.cursor;
    this.chain = state.chain ?? this.chain;
    this.onChange(changed);
  }

  /** Goes on asking while the page is seen. */
  start() {
    const tick = async () => {
      if (!document.hidden) {
        try {
          await this.ask();
        } catch {
          // The page's head tells that the server is gone.
        }
      }
      setTimeout(tick, PERIOD);
    };
    setTimeout(tick, PERIOD);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.ask().catch(() => {}); });
  }
}

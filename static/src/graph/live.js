// Where the builds stand. A part of the page says it (views/graph.templ,
// graphStates), which is replaced when something has changed.

export class Live {
  constructor(onChange) {
    this.onChange = onChange;
    this.version = 0; // grows with every change
    this.codes = [];
    this.chain = [];
    this.#read();
  }

  #read() {
    const { codes, chain } = document.getElementById("graph-states").dataset;
    const changed = [];
    const before = this.codes;
    this.codes = [...codes];
    for (let node = 0; node < before.length; node++) {
      if (before[node] !== this.codes[node]) changed.push([node, before[node]]);
    }
    const moved = chain !== this.chain.join(" ");
    this.chain = chain ? chain.split(" ").map(Number) : [];
    return changed.length > 0 || moved ? changed : null;
  }

  /** Goes on reading whenever the part is replaced. */
  start() {
    document.addEventListener("htmx:after:swap", () => {
      const changed = this.#read();
      if (!changed) return;
      this.version++;
      this.onChange(changed);
    });
  }
}

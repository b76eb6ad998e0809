// Where the page of `minigen watch` gets its numbers: from the server, again and again, or from the file it stands in.
// Both have listen, curves, about and picture; minigen/dashboard/page.py makes what they return.
"use strict";

{
  const ask = async (path, given) => {
    const answer = await fetch(`${path}?${new URLSearchParams(given)}`);
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error);
    return body;
  };

  // The runs of a server.
  minigen.LiveSource = class {
    live = true;
    #runs = new Map();

    // Calls `told(runs, changed, now)` with summaries by name, at once and whenever something has changed; `lost(bool)`.
    listen(told, lost) {
      const stream = new EventSource("/events");
      stream.onopen = () => lost(false);
      stream.onerror = () => lost(true); // the browser tries again by itself
      stream.onmessage = ({ data }) => {
        const { names, changed, now, error } = JSON.parse(data);
        if (error) return lost(true);
        for (const one of changed) this.#runs.set(one.name, one);
        this.#runs = new Map(names.filter((name) => this.#runs.has(name)).map((name) => [name, this.#runs.get(name)]));
        told(this.#runs, new Set(changed.map((one) => one.name)), now);
      };
    }

    // Curves of a run from step `from` to `to`; null: from its beginning, to its end.
    async curves(name, { from = null, to = null } = {}) {
      const range = { ...(from === null ? {} : { from }), ...(to === null ? {} : { to }) };
      return minigen.unpack(await ask("/curves", { run: name, ...range }));
    }

    about(name) {
      return ask("/about", { run: name });
    }

    // The address of a picture. `seen` is how many there are: after a resumed run drew one anew, its address is another.
    picture(name, sample, seen) {
      return `/picture?${new URLSearchParams({ run: name, name: sample, seen })}`;
    }
  };

  // The runs of a file.
  minigen.SnapshotSource = class {
    live = false;
    #held;
    #taken;

    constructor({ runs, taken }) {
      this.#held = new Map(runs.map((run) => [run.summary.name, run]));
      this.#taken = taken;
    }

    listen(told) {
      const runs = new Map([...this.#held].map(([name, { summary }]) => [name, summary]));
      told(runs, new Set(runs.keys()), this.#taken);
    }

    async curves(name) {
      return minigen.unpack(this.#held.get(name).curves);
    }

    async about(name) {
      return this.#held.get(name).about;
    }

    picture(name, sample) {
      return this.#held.get(name).pictures[sample];
    }
  };
}

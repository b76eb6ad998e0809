// The list of runs: which are shown, in what colour, how far they are, how fast they go and when they will be done.
"use strict";

{
  const { el, scales } = minigen;
  const MANY = 8; // runs from which on there is a filter
  const STATUS = { training: "training", finished: "finished", failed: "failed", stopped: "stopped before its end" };

  const speed = ({ rate }) => (rate ? (rate >= 1 ? `${scales.text(rate, 3)} updates/s` : `${scales.text(1 / rate, 3)} s/update`) : null);

  // What there is to say of a run, in short pieces.
  minigen.factsOf = (run) => [
    run.steps ? `update ${scales.whole(run.step)} of ${scales.whole(run.steps)}` : `update ${scales.whole(run.step)}`,
    run.steps_per_epoch ? `epoch ${scales.text(run.step / run.steps_per_epoch, 3)} of ${run.epochs}` : null,
    speed(run),
    run.eta !== null ? `${scales.duration(run.eta)} to go` : null,
    run.seconds !== null && run.seconds !== undefined ? `${scales.duration(run.seconds)} in training` : null,
    run.best ? `best validation loss ${scales.text(run.best.loss)} after epoch ${run.best.epoch}` : null,
  ].filter(Boolean);

  minigen.RunList = class {
    // `chosen(names)` is called when another set of runs is to be shown.
    constructor(chosen) {
      this.chosen = chosen;
      this.rows = new Map();
      this.list = el("ul", { class: "runs" });
      this.filter = el("input", { type: "search", "aria-label": "filter runs", placeholder: "name, model, data set, state", oninput: () => this.#filter() });
      this.none = minigen.button("None", () => this.chosen([]));
      this.head = el("div", { class: "row", hidden: true }, el("label", { class: "field" }, "filter", this.filter), this.none);
      this.root = el("section", { class: "panel", "aria-label": "Runs" }, this.head, this.list);
    }

    // Show `runs` by name; `shown` of them are selected, `colourOf(name)` is the colour of one.
    show(runs, shown, colourOf) {
      const several = runs.size > 1;
      for (const [name, row] of this.rows) {
        if (runs.has(name)) continue;
        row.root.remove();
        this.rows.delete(name);
      }
      for (const [name, run] of runs) {
        if (!this.rows.has(name)) this.rows.set(name, this.#row(name));
        this.#fill(this.rows.get(name), run, shown.has(name), colourOf(name), several);
      }
      const roots = [...runs.keys()].map((name) => this.rows.get(name).root);
      if (roots.some((root, k) => root !== this.list.children[k])) this.list.replaceChildren(...roots);
      this.head.hidden = runs.size <= MANY;
      this.#filter();
    }

    // Hide the runs in which not every word of the filter stands.
    #filter() {
      const words = this.filter.value.toLowerCase().split(/\s+/);
      for (const { root, label } of this.rows.values()) {
        const text = label.textContent.toLowerCase();
        root.hidden = !words.every((word) => text.includes(word));
      }
    }

    #row(name) {
      const box = el("input", { type: "checkbox", onchange: () => this.#choose() });
      const row = { name, box, swatch: el("i", { class: "dot" }), status: el("span", { class: "status" }), facts: el("span", { class: "muted small" }),
        bar: el("progress", { max: 1, "aria-label": `how far ${name} is` }), title: el("strong", {}, name), model: el("span", { class: "muted" }), notes: el("span", { class: "bad small" }),
        age: el("span", { class: "muted small age" }) };
      row.label = el("label", { class: "run" }, box, row.swatch, row.title, row.model, row.status);
      row.root = el("li", { "data-run": name }, row.label, row.bar, row.facts, row.age, row.notes);
      return row;
    }

    #fill(row, run, shown, colour, several) {
      row.box.checked = shown;
      row.box.hidden = row.swatch.hidden = !several;
      row.swatch.style.background = shown ? colour : "transparent";
      row.swatch.style.borderColor = colour;
      row.model.textContent = ` ${run.model} on ${run.dataset}`;
      row.status.textContent = STATUS[run.status] ?? run.status;
      row.status.dataset.status = run.status;
      row.bar.hidden = !run.steps;
      row.bar.value = run.steps ? Math.min(1, run.step / run.steps) : 0;
      row.facts.textContent = minigen.factsOf(run).join(" \u00b7 ");
      row.notes.textContent = run.notes.join("; ");
      row.run = run;
    }

    // Say how old the newest number of each run in training is; `now` in seconds since 1970.
    tick(now) {
      for (const { run, age } of this.rows.values()) {
        const seconds = run && run.status === "training" && run.written ? Math.max(0, now - run.written) : null;
        age.textContent = seconds === null ? "" : `last number ${scales.duration(seconds)} ago`;
      }
    }

    #choose() {
      this.chosen([...this.rows.values()].filter((row) => row.box.checked).map((row) => row.name));
    }
  };
}

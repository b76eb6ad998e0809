// The page of `minigen watch`: which runs and which part of them are shown, and how; it asks the source and draws.
// <body data-finished> says that all that was asked for is drawn.
"use strict";

{
  const { el, scales } = minigen;
  const COLOURS = ["--run-1", "--run-2", "--run-3", "--run-4", "--run-5", "--run-6", "--run-7", "--run-8"];
  const MOST = 4; // runs that are shown at first, the newest
  const AXES = { update: "update", epoch: "epoch", time: "time in training" };
  const SMOOTH = [0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]; // of the longest run

  const themed = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  class Watch {
    constructor(payload) {
      this.source = payload.live ? new minigen.LiveSource() : new minigen.SnapshotSource(payload);
      this.state = { axis: "update", scale: "linear", smooth: 0, range: null, splits: new Set(Object.keys(minigen.SPLITS)) };
      [this.runs, this.curves, this.abouts, this.charts, this.places, this.whole] = Array.from({ length: 6 }, () => new Map());
      [this.shown, this.stale] = [new Set(), new Set()]; // names of runs: those on the page, those with newer curves
      this.list = new minigen.RunList((names) => this.choose(names));
      this.samples = new minigen.Samples(this.source);
      this.journal = new minigen.Journal((run, step) => this.goTo(run, step));
      this.networks = new minigen.Networks();
      this.grid = el("div", { class: "charts" });
      this.live = el("span", { class: "muted small", id: "live", role: "status" });
      this.payload = payload;
      this.refresh = minigen.latest(() => this.#refresh().catch((error) => minigen.complain(error)));
      this.redraw = this.#once(() => this.#draw());
    }

    put(root) {
      root.replaceChildren(
        el("header", { class: "top" }, el("h1", {}, "Training"), el("p", { class: "muted small" }, this.live, ` minigen ${this.payload.minigen}`)),
        el("p", { id: "complaint", role: "alert", hidden: true }),
        el("div", { class: "stack" }, this.list.root,
          el("section", { class: "panel", "aria-label": "Curves" }, el("header", {}, this.#controls()), this.grid),
          el("div", { class: "pair" }, this.samples.root, this.journal.root), this.networks.root));
      this.source.listen((runs, changed, now) => this.told(runs, changed, now), (lost) => this.#lost(lost));
      new ResizeObserver(this.redraw).observe(this.grid);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#refreshColours());
      if (this.source.live) setInterval(() => this.list.tick(Date.now() / 1000 - (this.skew ?? 0)), 1000);
    }

    // The source knows these runs now, of which `changed` are not as they were.
    told(runs, changed, now) {
      const first = !this.runs.size;
      this.skew = Date.now() / 1000 - now;
      if (!this.source.live) this.live.textContent = `as of ${new Date(now * 1000).toLocaleString()} \u00b7`;
      const added = [...runs.keys()].filter((name) => !this.runs.has(name));
      this.runs = new Map(runs);
      added.forEach((name) => this.#place(name));
      if (first) {
        const newest = [...runs.values()].sort((a, b) => (b.written ?? 0) - (a.written ?? 0));
        this.shown = new Set(newest.slice(0, MOST).map((run) => run.name));
      }
      for (const name of added) if (runs.get(name).status === "training") this.shown.add(name);
      for (const name of this.shown) if (!runs.has(name)) this.shown.delete(name);
      for (const name of changed) this.stale.add(name);
      for (const [name, about] of this.abouts) if (changed.has(name) && about.note) this.abouts.delete(name);
      this.refresh();
    }

    choose(names) {
      this.shown = new Set(names);
      this.refresh();
    }

    zoom(range) {
      this.state.range = range;
      this.back.disabled = !range;
      this.#draw(); // what is there, at once
      if (this.source.live) for (const name of this.runs.keys()) this.stale.add(name); // there are finer ones
      this.refresh();
    }

    // Show what a run was at update `step`.
    goTo(run, step) {
      this.samples.goTo(run, step);
      const x = this.state.axis === "epoch" && run.steps_per_epoch ? step / run.steps_per_epoch : step;
      if (this.state.axis !== "time") for (const chart of this.charts.values()) chart.point(x);
    }

    // A run keeps its colour as long as the page is open.
    #place(name) {
      if (!this.places.has(name)) this.places.set(name, this.places.size);
    }

    colourOf(name) {
      return themed(COLOURS[this.places.get(name) % COLOURS.length]);
    }

    get selected() {
      return [...this.shown].filter((name) => this.runs.has(name)).sort((a, b) => this.places.get(a) - this.places.get(b)).map((name) => this.runs.get(name));
    }

    async #refresh() {
      const runs = this.selected;
      delete document.body.dataset.finished;
      this.#lists();
      await Promise.all(runs.map(async ({ name, steps_per_epoch: perEpoch }) => {
        if (!this.curves.has(name) || this.stale.has(name)) {
          this.stale.delete(name);
          const found = await this.source.curves(name, this.#steps(name, perEpoch));
          this.curves.set(name, found);
          if (!this.state.range) this.whole.set(name, found);
        }
        if (!this.abouts.has(name)) this.abouts.set(name, await this.source.about(name));
      }));
      this.networks.show(runs.filter(({ name }) => this.abouts.has(name)).map(({ name }) => [name, this.abouts.get(name)]));
      minigen.complain(null);
      this.#draw();
      document.body.dataset.finished = "true";
      document.getElementById("page").removeAttribute("aria-busy");
    }

    #lists() {
      const runs = this.selected;
      this.list.show(this.runs, this.shown, (name) => this.colourOf(name));
      this.samples.show(runs);
      this.journal.show(runs, (name) => this.colourOf(name));
    }

    // The updates that are shown, for the source; the axis may count in epochs or seconds.
    #steps(name, perEpoch) {
      const { range, axis } = this.state;
      if (!range) return {};
      if (axis === "time") {
        const curve = Object.values(this.whole.get(name)?.terms ?? {}).flatMap((splits) => Object.values(splits))[0];
        const { seconds, last } = curve ?? { seconds: { data: [] }, last: { data: [] } };
        const within = Array.from(last.data).filter((_, k) => seconds.data[k] >= range[0] && seconds.data[k] <= range[1]);
        return within.length ? { from: within[0], to: within.at(-1) } : {};
      }
      const factor = axis === "epoch" && perEpoch ? perEpoch : 1;
      return { from: range[0] * factor, to: range[1] * factor };
    }

    #draw() {
      const runs = this.selected.filter(({ name }) => this.curves.has(name));
      const several = runs.length > 1;
      const { axis, scale, range, splits } = this.state;
      const longest = Math.max(1, ...runs.map(({ step }) => step));
      const smooth = SMOOTH[this.state.smooth] * longest;
      this.smoothed.textContent = smooth ? `${scales.text(smooth, 2)} updates` : "off";
      const groups = new Map(); // by term and unit: one axis holds one unit
      for (const run of runs) {
        const { terms } = this.curves.get(run.name);
        for (const [term, curves] of Object.entries(terms)) {
          const unit = this.abouts.get(run.name)?.units[term] ?? {};
          const key = JSON.stringify([term, unit.unit ?? ""]);
          if (!groups.has(key)) groups.set(key, { term, unit, lines: [] });
          for (const [split, curve] of Object.entries(curves)) {
            if (!splits.has(split)) continue;
            const series = minigen.series(curve, { axis, perEpoch: run.steps_per_epoch, smooth });
            const paint = several ? this.colourOf(run.name) : themed(`--split-${split}`);
            groups.get(key).lines.push({ run: run.name, split, series, colour: paint, faint: several && split === "batch" });
          }
        }
      }
      const marks = axis === "time" ? [] : runs.flatMap((run) => minigen.marksOf(run).map(({ step }) =>
        (axis === "epoch" && run.steps_per_epoch ? step / run.steps_per_epoch : step)));
      const all = [...groups.values()].flatMap(({ lines }) => lines.map(({ series }) => series.x)).filter((x) => x.length);
      const ends = [...all.map((x) => x.at(-1)), ...marks];
      const x = range ?? [Math.min(0, ...all.map((xs) => xs[0])), Math.max(1e-3, ...ends)];
      const xText = axis === "time" ? scales.duration : (value) => (Math.abs(value) >= 1e4 ? scales.whole(value) : scales.text(value));
      const place = axis === "update" ? scales.whole : xText;
      this.#charts(groups, { x, scale, xText, place: (value) => `${AXES[axis]} ${place(value)}`, marks, several });
    }

    #charts(groups, view) {
      for (const [key, chart] of this.charts) {
        if (groups.has(key)) continue;
        chart.root.remove();
        this.charts.delete(key);
      }
      for (const [key, { term, unit }] of groups) {
        if (!this.charts.has(key)) this.charts.set(key, new minigen.Chart(term, unit, (range) => this.zoom(range)));
      }
      const roots = [...groups.keys()].map((key) => this.charts.get(key).root);
      if (roots.some((root, k) => root !== this.grid.children[k])) this.grid.replaceChildren(...roots);
      for (const [key, { lines }] of groups) this.charts.get(key).show(lines, view);
      if (!roots.length) this.grid.replaceChildren(el("p", { class: "muted" }, this.shown.size ? "No numbers yet." : "Choose a run above."));
    }

    #controls() {
      const set = (name, value) => { this.state[name] = value; this.redraw(); };
      this.smoothed = el("output", { class: "small" });
      this.back = minigen.button("Whole run", () => this.zoom(null), { disabled: true });
      const slider = el("input", { type: "range", min: 0, max: SMOOTH.length - 1, value: 0, "aria-label": "smoothing", oninput: () => set("smooth", Number(slider.value)) });
      const boxes = Object.entries(minigen.SPLITS).map(([split, { text }]) => el("label", { class: "field" },
        el("input", { type: "checkbox", checked: true, "data-split": split, onchange: ({ target }) => {
          this.state.splits[target.checked ? "add" : "delete"](split);
          this.redraw();
        } }), el("i", { class: `key ${split}` }), text));
      return el("div", { class: "controls" },
        minigen.select("along", Object.entries(AXES), (value) => { this.state.axis = value; this.zoom(null); }),
        minigen.select("scale", [["linear", "linear"], ["most", "linear, without extremes"], ["log", "logarithmic"]], (value) => set("scale", value)),
        el("label", { class: "field" }, "smoothing", slider, this.smoothed), ...boxes, this.back);
    }

    #lost(lost) {
      this.live.textContent = lost ? "no connection: has minigen watch ended? \u00b7" : "live \u00b7";
      this.live.classList.toggle("bad", lost);
    }

    #refreshColours() {
      this.#lists();
      this.#draw();
    }

    // At most one call a frame.
    #once(run) {
      let waiting = false;
      return () => {
        if (waiting) return;
        waiting = true;
        requestAnimationFrame(() => {
          waiting = false;
          run();
        });
      };
    }
  }

  const watch = new Watch(JSON.parse(document.getElementById("payload").textContent));
  minigen.watch = watch;
  watch.put(document.getElementById("page"));
}

// A table of images with the discriminator's score beside each: samples, test images, and their reconstructions.
"use strict";

{
  const COUNT = 24;
  const KINDS = { samples: "sample", test: "test image", reconstructions: "reconstruction" };
  const LIMIT = 3; // of the truncation's range: beyond it nothing is cut off

  // Codes and classes of samples: those of `minigen sample`, then others.
  const samples = (page, state) => {
    const { payload, model, classes } = page;
    const { prior } = payload.abilities;
    const known = payload.samples;
    const first = state.round * COUNT;
    const labelOf = (i) => state.label ?? known.labels.data[i % known.labels.data.length];
    const labels = known.labels ? Int32Array.from({ length: COUNT }, (_, i) => labelOf(i)) : null;
    const codes = new Float32Array(COUNT * model.size);
    for (let i = 0; i < COUNT; i++) {
      const row = first + i;
      const drawn = (row < known.codes.shape[0] || !prior) && state.limit === Infinity;
      const at = row % known.codes.shape[0];
      codes.set(drawn ? known.codes.data.subarray(at * model.size, (at + 1) * model.size)
        : minigen.prior.code(minigen.prior.noise(0, row, model.size), prior, state.limit), i * model.size);
    }
    return { codes, labels };
  };

  // Images with their codes (null: none), classes, and what each is called.
  const images = async (page, state) => {
    const { payload, model } = page;
    if (state.source === "samples") {
      const { codes, labels } = samples(page, state);
      return { codes, labels, images: await model.decode(codes, labels ?? 0) };
    }
    const { size } = page.images;
    const total = payload.test.images.shape[0];
    const n = Math.min(COUNT, total);
    const rows = Array.from({ length: n }, (_, i) => (state.round * COUNT + i) % total);
    const real = new Float32Array(n * size);
    rows.forEach((row, i) => real.set(page.known("test", row), i * size));
    const labels = payload.test.labels ? Int32Array.from(rows, (row) => page.labelOf("test", row)) : null;
    const codes = model.encodes ? await model.encode(real, labels ?? 0) : null;
    if (state.source === "test") return { codes, labels, images: real };
    return { codes, labels, images: await model.reconstruct(real, labels ?? 0) };
  };

  const mount = (root, page) => {
    const { score } = page.payload.abilities;
    const { model } = page;
    const state = { source: "samples", round: 0, label: null, limit: Infinity, sorted: false };
    const table = minigen.el("div", { class: "table", id: "samples-table" });

    const figure = (found, scores, i) => {
      const canvas = page.images.canvas({ "aria-hidden": "true" });
      page.show(canvas, found.images, i);
      const text = minigen.scoreText(page, scores[i]);
      const caption = minigen.el("figcaption", { class: "small", "data-score": scores[i] }, text);
      const label = found.labels?.[i] ?? null;
      const title = `${KINDS[state.source]} ${i + 1}, score ${text}`;
      if (!found.codes || !model.decodes) return minigen.el("figure", { role: "img", "aria-label": title }, canvas, caption);
      const code = found.codes.slice(i * model.size, (i + 1) * model.size);
      const take = () => page.set({ code, label: page.classes ? (label ?? page.label) : null }, "samples");
      const cell = { type: "button", class: "cell", "aria-label": title, title: "look at its code", onclick: take };
      return minigen.el("figure", {}, minigen.el("button", cell, canvas), caption);
    };

    const draw = minigen.latest(async () => {
      try {
        const found = await images(page, state);
        const scores = await minigen.score(page, found.images, found);
        const order = Array.from(scores.keys());
        const sign = score.higher_is_real ? -1 : 1;
        if (state.sorted) order.sort((a, b) => sign * (scores[a] - scores[b]));
        table.replaceChildren(...order.map((i) => figure(found, scores, i)));
        table.dataset.drawn = Number(table.dataset.drawn ?? 0) + 1;
        minigen.complain(null);
      } catch (error) {
        minigen.complain(error);
      }
    });
    const change = (what) => {
      Object.assign(state, what);
      for (const field of ofSamples) field.hidden = state.source !== "samples";
      draw();
    };

    const judged = (!score.takes.includes("code") || model.encodes) && (!score.takes.includes("class") || page.payload.test.labels);
    const sources = [["samples", "samples"], judged ? ["test", "test images"] : null,
      judged && model.reconstructs ? ["reconstructions", "reconstructions of these"] : null].filter(Boolean);
    const source = minigen.select("Images", sources, (value) => change({ source: value, round: 0 }));
    source.querySelector("select").id = "samples-source";
    const ofSamples = [];
    if (page.classes) {
      const choices = [["", "each in turn"], ...page.classes.map((name, k) => [k, name])];
      const field = minigen.select("Class", choices, (value) => change({ label: value === "" ? null : Number(value) }));
      field.querySelector("select").id = "samples-class";
      ofSamples.push(field);
    }
    if (page.payload.abilities.prior?.includes("normal")) {
      const say = (value) => (value >= LIMIT ? "off" : `within \u00b1${value.toFixed(2)}`);
      const cut = (value) => change({ limit: value >= LIMIT ? Infinity : value });
      ofSamples.push(minigen.range("Truncation", { min: 0.05, max: LIMIT, step: 0.05, value: LIMIT, say, id: "samples-truncation" }, cut));
    }
    root.append(minigen.el("div", { class: "controls" }, source, ofSamples,
      minigen.tick("The most real first", false, (sorted) => change({ sorted }), { id: "samples-sorted" }),
      minigen.button("Others", () => change({ round: state.round + 1 }), { id: "samples-others" })),
      minigen.el("p", { class: "muted small" }, `Score: ${minigen.scoreUnit(page)}.`), table);
    return draw();
  };

  minigen.panel({
    id: "samples", title: "What the discriminator says",
    about: "Each image with its score. Choose one to look at its code above.",
    can: (page) => page.payload.abilities.panels.includes("samples"), mount,
  });
}

// A denoising autoencoder: noise is drawn on an image with a brush, or poured over it, and vanishes.
"use strict";

{
  const FRAMES = 14; // of vanishing

  const mount = (root, page) => {
    const { payload, images, model } = page;
    const { kind, level } = payload.corruption;
    const [channels, height, width] = payload.image.shape;
    const range = payload.image.range;
    const state = { kind, level, row: 0, seed: 1, brush: 3, clean: null, noisy: null, made: null };
    page.noise = state; // for whoever looks

    const canvas = images.canvas({
      id: "denoise-noisy", class: "pic large", role: "application",
      "aria-label": "the image that the model sees: arrows move, Space draws noise",
    });
    const result = images.canvas({ id: "denoise-result", class: "pic large", "aria-label": "what the model makes of it" });
    const clean = images.canvas({ id: "denoise-clean", class: "pic large", "aria-label": "the clean image" });
    const said = minigen.el("p", { class: "muted small", role: "status", id: "denoise-said" });

    const distance = (a, b) => a.reduce((sum, x, k) => sum + (x - b[k]) ** 2, 0) / a.length;
    const look = minigen.latest(async () => {
      try {
        const seen = state.noisy;
        page.show(canvas, seen);
        state.made = await model.reconstruct(seen, page.labelOf("test", state.row) ?? 0);
        page.show(result, state.made);
        const [before, after] = [seen, state.made].map((x) => distance(x, state.clean).toFixed(4));
        said.textContent = `Mean squared error against the clean image: ${before} seen, ${after} made of it`;
        root.dataset.seen = Number(root.dataset.seen ?? 0) + 1;
        minigen.complain(null);
      } catch (error) {
        minigen.complain(error);
      }
    });
    const take = (row) => {
      const total = payload.test.images.shape[0];
      state.row = (row + total) % total;
      state.clean = page.known("test", state.row);
      state.noisy = state.clean.slice();
      page.show(clean, state.clean);
      return look();
    };
    const pour = () => {
      state.seed += 1;
      state.noisy = state.clean.map((x, k) => minigen.corrupt(state.kind, state.level, x, range, state.seed, k));
      return look();
    };
    const hit = (k) => { state.noisy[k] = minigen.corrupt(state.kind, state.level, state.noisy[k], range, state.seed, k); };
    const paint = (x, y) => {
      const reach = (state.brush - 1) / 2;
      for (let j = Math.ceil(y - reach); j <= y + reach; j++) {
        for (let i = Math.ceil(x - reach); i <= x + reach; i++) {
          if (i < 0 || j < 0 || i >= width || j >= height || (i - x) ** 2 + (j - y) ** 2 > reach * reach + 0.5) continue;
          for (let c = 0; c < channels; c++) hit(c * width * height + j * width + i);
        }
      }
      look();
    };
    const vanish = async () => {
      if (!state.made) return;
      buttons.querySelectorAll("button").forEach((one) => { one.disabled = true; });
      const [from, to] = [state.noisy, state.made];
      for (let frame = 1; frame <= FRAMES; frame++) {
        const t = frame / FRAMES;
        page.show(canvas, from.map((x, k) => x + t * t * (3 - 2 * t) * (to[k] - x)));
        await new Promise(requestAnimationFrame);
      }
      state.noisy = to.slice();
      await look();
      buttons.querySelectorAll("button").forEach((one) => { one.disabled = false; });
    };

    const board = minigen.paint(canvas, { width, height, paint, begin: () => { state.seed += 1; } });
    const kinds = minigen.select("Noise", minigen.CORRUPTIONS, (value) => { state.kind = value; amount.value = state.level; });
    kinds.querySelector("select").id = "denoise-kind";
    kinds.querySelector("select").value = kind;
    const say = (value) => minigen.levelText(state.kind, value);
    const amount = minigen.range("Amount", { min: 0, max: 1, step: 0.05, value: level, say, id: "denoise-amount" },
      (value) => { state.level = value; });
    const sizes = { min: 1, max: 9, step: 2, value: state.brush, say: (value) => `${value} pixels`, id: "denoise-brush" };
    const brush = minigen.range("Brush", sizes, (value) => { state.brush = value; });
    const buttons = minigen.el("div", { class: "buttons" },
      minigen.button("Noise all over", pour, { id: "denoise-pour" }), minigen.button("Let it vanish", vanish, { id: "denoise-vanish" }),
      minigen.button("Clean again", () => take(state.row), { id: "denoise-again" }),
      minigen.button("\u2190", () => take(state.row - 1), { id: "denoise-previous", "aria-label": "the test image before" }),
      minigen.button("\u2192", () => take(state.row + 1), { id: "denoise-next", "aria-label": "the next test image" }));
    const figure = (text, one) => minigen.el("figure", {}, one, minigen.el("figcaption", {}, text));
    root.append(minigen.el("div", { class: "three" }, figure("what it sees: draw noise here", board), figure("what it makes of it", result), figure("the test image", clean)),
      said, minigen.el("div", { class: "controls" }, kinds, amount, brush), buttons,
      minigen.el("p", { class: "muted small" }, `Trained on ${kind}, ${minigen.levelText(kind, level)}.`));
    state.noisy = state.clean = page.known("test", 0);
    state.row = 0;
    page.show(clean, state.clean);
    return pour();
  };

  minigen.panel({
    id: "denoise", title: "Draw noise, watch it vanish",
    about: "The model has learnt to make clean images of corrupted ones.",
    can: (page) => page.payload.abilities.panels.includes("denoise"), mount,
  });
}

// Traversals: for each of the most active dimensions a row of images, the current code with that dimension from low to high.
"use strict";

{
  const [ROWS, STEPS] = [6, 9];

  const mount = (root, page) => {
    const { latent } = page.payload;
    const dimensions = Array.from(latent.order).slice(0, ROWS);
    const value = (k, j) => latent.low.data[k] + ((latent.high.data[k] - latent.low.data[k]) * j) / (STEPS - 1);
    const codeOf = (k, j) => {
      const code = Float32Array.from(page.code);
      code[k] = value(k, j);
      return code;
    };
    const cells = dimensions.map((k) => Array.from({ length: STEPS }, (_, j) => {
      const canvas = page.images.canvas({ role: "presentation" });
      const words = `dimension ${k} at ${minigen.short(value(k, j))}`;
      const button = minigen.el("button", { type: "button", class: "cell", "aria-label": words, title: words, onclick: () => page.set({ code: codeOf(k, j) }, "strip") }, canvas);
      return { canvas, button };
    }));
    dimensions.forEach((k, row) => root.append(
      minigen.el("div", { class: "strip", role: "group", "aria-label": `dimension ${k}`, id: `strip-${k}` },
        minigen.el("span", { class: "muted" }, `z${k}`), cells[row].map(({ button }) => button))));

    const fill = minigen.latest(async () => {
      const codes = new Float32Array(dimensions.length * STEPS * page.model.size);
      dimensions.forEach((k, row) => {
        for (let j = 0; j < STEPS; j++) codes.set(codeOf(k, j), (row * STEPS + j) * page.model.size);
      });
      const images = await page.model.decode(codes, page.label);
      cells.flat().forEach(({ canvas }, i) => page.show(canvas, images, i));
      root.dataset.filled = Number(root.dataset.filled ?? 0) + 1;
    });
    page.on(minigen.later(150, () => fill().catch(minigen.complain)));
  };

  minigen.panel({
    id: "strips",
    title: "Traversals",
    about: "What one dimension does: each row goes from its low to its high, from the current code. Click an image to go there.",
    mount,
  });
}

// Sliders that follow a factor of the data: each moves the code along the direction in which that factor grows.
"use strict";

{
  const mount = (root, page) => {
    const dot = (a, b) => a.reduce((sum, x, k) => sum + x * b[k], 0);
    const rows = page.payload.directions.map((one) => {
      const estimate = () => dot(one.weights.data, page.code) + one.bias;
      const room = (one.high - one.low) / 4;
      const told = `${(100 * one.r2).toFixed(0)} %`;
      const value = minigen.el("output");
      const move = (wanted) => {
        const by = wanted - estimate();
        page.set({ code: page.code.map((z, k) => z + by * one.direction.data[k]) }, "factors");
      };
      const slider = minigen.el("input", {
        type: "range", min: one.low - room, max: one.high + room, step: (one.high - one.low) / 100, id: `factor-${one.name}`,
        "aria-label": `${one.name}, of which the code tells ${told}`, oninput: () => move(slider.valueAsNumber),
      });
      const refresh = () => {
        slider.value = estimate();
        value.textContent = minigen.short(estimate());
      };
      const title = `a linear function of the code tells ${told} of its variance`;
      const meter = minigen.el("span", { class: "meter", title }, minigen.el("i", { style: `width:${100 * one.r2}%` }));
      root.append(minigen.el("div", { class: "slider factor" }, minigen.el("label", { for: slider.id }, one.name), meter, slider, value));
      return refresh;
    });
    root.append(minigen.el("p", { class: "muted small" },
      "The bar is the share of the factor's variance that a linear function of the code tells of test images; the slider ",
      "shows that estimate, and moves the code as images of the data move on average when this factor alone changes."));
    page.on(() => rows.forEach((refresh) => refresh()));
    rows.forEach((refresh) => refresh());
  };

  minigen.panel({
    id: "factors", title: "Factors of the data",
    about: "The data says how each image was made; these sliders follow what the code tells of it.",
    can: (page) => page.payload.abilities.panels.includes("factors") && page.payload.directions?.length > 0, mount,
  });
}

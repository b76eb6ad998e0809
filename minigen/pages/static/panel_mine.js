// "Encode mine": draw, or give a picture: what the model sees, its code, its reconstruction, its neighbours in training.
"use strict";

{
  const mount = (root, page) => {
    const { model, images, payload } = page;
    const told = model.toldClass("encoder") || model.toldClass("reconstruct");
    const rebuilt = model.reconstructs ? images.canvas({ id: "rebuilt", "aria-label": "its reconstruction" }) : null;
    const bars = model.encodes ? minigen.el("canvas", { class: "bars", id: "code-bars", role: "img", "aria-label": "its code, a bar for each dimension" }) : null;
    const error = minigen.el("span", { class: "muted small" });
    const nearest = minigen.el("div", { class: "neighbours", id: "neighbours" });
    let code = null;
    let label = 0;

    const look = minigen.latest(async (image) => {
      try {
        if (rebuilt) {
          const made = await model.reconstruct(image, label);
          page.show(rebuilt, made);
          const mse = made.reduce((sum, x, k) => sum + (x - image[k]) ** 2, 0) / made.length;
          error.textContent = `mean squared error ${mse.toFixed(4)}`;
        }
        if (model.encodes) {
          code = await model.encode(image, label);
          const most = Math.max(3, ...code.map(Math.abs));
          minigen.bars(bars, Array.from(code), { range: [-most, most], colour: minigen.themed("--accent") });
        }
        root.dataset.seen = Number(root.dataset.seen ?? 0) + 1;
        neighbours();
      } catch (problem) {
        minigen.complain(problem);
      }
    });
    const neighbours = minigen.later(120, () => nearest.replaceChildren(...minigen.neighbours(page, sketch.floats())));
    const sketch = new minigen.Sketch(images, look);
    page.sketch = sketch;

    const file = minigen.el("input", { type: "file", accept: "image/*", id: "picture", class: "hidden", "aria-label": "a picture from a file", onchange: () => {
      if (file.files[0]) sketch.layFile(file.files[0]).then(() => minigen.complain(null), minigen.complain);
      file.value = "";
    } });
    const some = () => {
      const i = Math.floor(Math.random() * payload.test.images.shape[0]);
      const canvas = images.canvas();
      images.showBytes(canvas, payload.test.images.data, i);
      if (told) { label = page.labelOf("test", i); classes.querySelector("select").value = label; }
      sketch.lay(canvas, images.width, images.height, { smooth: false, exact: page.known("test", i) });
    };
    const brush = minigen.el("input", { type: "range", min: 1, max: 6, step: 0.5, value: sketch.brush, id: "brush", "aria-label": "brush width in pixels", oninput: () => { sketch.brush = Number(brush.value); } });
    const ink = minigen.el("input", { type: "color", value: "#ffffff", id: "ink", "aria-label": "colour of the brush", oninput: () => { sketch.ink = ink.value; } });
    const erase = minigen.el("input", { type: "checkbox", id: "erase", onchange: () => { sketch.ink = erase.checked ? sketch.paper : images.channels < 3 ? "#ffffff" : ink.value; } });
    const names = payload.classes ?? [];
    const classes = told ? minigen.select("It is a", names.map((name, k) => [k, name]), (value) => { label = Number(value); look(sketch.floats()); }) : null;
    if (classes) classes.querySelector("select").id = "mine-class";

    const picture = (title, child, ...more) => child && minigen.el("figure", {}, child, minigen.el("figcaption", {}, title, ...more));
    root.append(minigen.el("div", { class: "mine" },
      minigen.el("div", { class: "drawing" }, sketch.board,
        minigen.el("div", { class: "controls" },
          minigen.el("label", { class: "field" }, minigen.el("span", {}, "Brush"), brush),
          images.channels < 3 ? null : minigen.el("label", { class: "field" }, minigen.el("span", {}, "Colour"), ink),
          minigen.el("label", { class: "field check" }, erase, minigen.el("span", {}, "erase")), classes),
        minigen.el("div", { class: "buttons" },
          minigen.button("Clear", () => sketch.clear(), { id: "clear" }),
          minigen.button("Invert", () => sketch.invert(), { id: "invert" }),
          minigen.button("A picture\u2026", () => file.click(), { id: "choose" }), file,
          minigen.button("A test image", some, { id: "mine-test" }))),
      minigen.el("div", { class: "results" },
        minigen.el("div", { class: "row" }, picture("what it sees", sketch.small), picture("what it makes of it", rebuilt, minigen.el("br"), error)),
        bars ? picture(`its code, ${model.size} numbers`, bars) : null,
        bars && model.decodes ? minigen.button("Make it the current code", () => code && page.set({ code, label: told ? label : page.label }, "mine"), { id: "take-mine" }) : null)),
      payload.train ? minigen.el("h3", {}, "Nearest training images ", minigen.el("span", { class: "muted small" }, `of ${payload.train.images.shape[0].toLocaleString("en")} among ${payload.train.of.toLocaleString("en")}, by root mean square of pixels`)) : null,
      nearest);
    some();
  };

  minigen.panel({
    id: "mine",
    title: "Encode mine",
    about: "Draw with the mouse, a finger or the keyboard, or drop a picture.",
    mount,
  });
}

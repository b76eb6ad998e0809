// The stage: the image of the current code, large, with its class, and ways to begin: a sample, a test image, the mean.
"use strict";

{
  minigen.stage = (page) => {
    const { payload, images } = page;
    const canvas = images.canvas({ id: "current", class: "pic large", "aria-label": "image of the current code" });
    const said = minigen.el("p", { class: "muted small", role: "status" });
    const past = [];
    let sample = 0;
    const draw = () => page.set(page.sample(++sample), "sample");
    const back = minigen.button("Undo", () => { past.pop(); page.set(past.pop(), "undo"); }, { id: "undo", disabled: true });
    const buttons = minigen.el("div", { class: "buttons" },
      payload.samples ? minigen.button("Draw a sample", draw, { id: "sample", title: `from the ${payload.samples.origin}` }) : null,
      page.model.encodes ? minigen.button("A test image", () => page.take(Math.floor(Math.random() * payload.test.images.shape[0]), "test"), { id: "some-test" }) : null,
      minigen.button("The mean", () => page.set({ code: payload.latent.mean.data }, "mean"), { id: "mean" }), back);

    let classes = null;
    if (page.classes) {
      classes = minigen.select("Class", page.classes.map((name, k) => [k, name]), (value) => page.set({ label: Number(value) }, "class"));
      classes.querySelector("select").id = "class";
    }
    page.on(({ code, label, image, from }) => {
      page.show(canvas, image);
      if (classes) classes.querySelector("select").value = label;
      const at = performance.now();
      const last = past[past.length - 1];
      if (last && last.from === from && at - last.at < 700) past.pop(); // one movement
      past.push({ code, label, from, at });
      if (past.length > 50) past.shift();
      back.disabled = past.length < 2;
      const length = Math.hypot(...code);
      said.textContent = `|z| = ${minigen.short(length)}`;
    });
    return minigen.el("aside", { class: "stage", "aria-label": "current code" }, canvas, minigen.el("div", { class: "beside" }, said, classes, buttons));
  };
}

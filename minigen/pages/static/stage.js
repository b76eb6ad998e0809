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
    const undo = () => { // faster than codes are decoded, too
      past.pop();
      back.disabled = past.length < 2;
      page.set(past[past.length - 1], "undo");
    };
    const back = minigen.button("Undo", undo, { id: "undo", disabled: true });
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
      if (from !== "undo") {
        const at = performance.now();
        const last = past[past.length - 1];
        if (last && last.from === from && at - last.at < 700) past.pop(); // one movement
        past.push({ code, label, from, at });
        if (past.length > 50) past.shift();
        back.disabled = past.length < 2;
      }
      said.textContent = `|z| = ${minigen.short(Math.sqrt(code.reduce((sum, z) => sum + z * z, 0)))}`;
    });
    return minigen.el("aside", { class: "stage", "aria-label": "current code" }, canvas, minigen.el("div", { class: "beside" }, said, classes, buttons));
  };
}

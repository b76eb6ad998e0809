// Interpolation between two chosen images: a strip of steps, and a slider that makes any point between the current code.
"use strict";

{
  const [STEPS, CHOICES] = [10, 24];

  const mount = (root, page) => {
    const { payload, model } = page;
    const ends = ["A", "B"].map((name) => {
      const canvas = page.images.canvas({ id: `end-${name}`, "aria-label": `image ${name}` });
      const use = (code) => { ends.find((one) => one.name === name).code = Float32Array.from(code); fill(); };
      const buttons = [minigen.button("Take the current", () => use(page.code), { id: `use-${name}`, "aria-label": `Take the current code as ${name}` })];
      return { name, canvas, use, code: null, box: minigen.el("div", { class: "end" }, minigen.el("b", {}, name), canvas, buttons) };
    });
    let chosen = 0; // which end the next image of the tray becomes
    const tray = minigen.el("div", { class: "tray", role: "group", "aria-label": "test images to choose from" });
    const choices = model.encodes ? Math.min(CHOICES, payload.test.images.shape[0]) : 0;
    for (let i = 0; i < choices; i++) {
      const canvas = page.images.canvas({ role: "presentation" });
      page.images.showBytes(canvas, payload.test.images.data, i);
      const name = page.nameOf(page.labelOf("test", i));
      tray.append(minigen.el("button", {
        type: "button", class: "cell", "aria-label": `test image ${i}${name && `, label ${name}`}`, title: name && `label ${name}`,
        onclick: async () => { const end = ends[chosen]; chosen = 1 - chosen; mark(); end.use(await page.codeOf(i)); },
      }, canvas));
    }
    const hint = minigen.el("p", { class: "muted small", role: "status" });
    const mark = () => { hint.textContent = choices ? `The next image that you choose becomes ${ends[chosen].name}.` : ""; };

    const kind = minigen.select("Way", [["spherical", "spherical"], ["linear", "linear"]], () => fill());
    kind.querySelector("select").id = "way";
    const way = () => kind.querySelector("select").value;
    const go = () => page.set({ code: minigen.between(ends[0].code, ends[1].code, Number(slider.value), way()) }, "between");
    const slider = minigen.el("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0, id: "t", "aria-label": "from A (0) to B (1)", oninput: go });
    let playing = 0;
    const play = minigen.button("Play", () => {
      if (playing) return stop();
      play.textContent = "Stop";
      let last = performance.now();
      let way = 1;
      const step = (now) => {
        const t = Number(slider.value) + (way * (now - last)) / 2500;
        last = now;
        if (t >= 1) way = -1;
        if (t <= 0) way = 1;
        slider.value = Math.min(Math.max(t, 0), 1);
        go();
        playing = requestAnimationFrame(step);
      };
      playing = requestAnimationFrame(step);
    }, { id: "play" });
    const stop = () => { cancelAnimationFrame(playing); playing = 0; play.textContent = "Play"; };

    const cells = Array.from({ length: STEPS }, (_, j) => {
      const canvas = page.images.canvas({ role: "presentation" });
      const words = `step ${j + 1} of ${STEPS}`;
      return { canvas, button: minigen.el("button", { type: "button", class: "cell", "aria-label": words, onclick: () => { slider.value = j / (STEPS - 1); go(); } }, canvas) };
    });
    const strip = minigen.el("div", { class: "strip", role: "group", "aria-label": "from A to B", id: "between" }, cells.map(({ button }) => button));
    const fill = minigen.latest(async () => {
      if (ends.some(({ code }) => code === null)) return;
      const codes = new Float32Array(STEPS * model.size);
      for (let j = 0; j < STEPS; j++) codes.set(minigen.between(ends[0].code, ends[1].code, j / (STEPS - 1), way()), j * model.size);
      const images = await model.decode(codes, page.label);
      cells.forEach(({ canvas }, j) => page.show(canvas, images, j));
      page.show(ends[0].canvas, images, 0);
      page.show(ends[1].canvas, images, STEPS - 1);
      strip.dataset.filled = Number(strip.dataset.filled ?? 0) + 1;
    });
    root.append(minigen.el("div", { class: "ends" }, ends.map(({ box }) => box)), tray, hint, strip,
      minigen.el("div", { class: "controls" }, minigen.el("span", {}, "A"), slider, minigen.el("span", {}, "B"), play, kind));
    mark();
    page.on(({ from }) => { if (from === "class") fill(); if (from !== "between" && playing) stop(); });

    const first = async () => {
      const [a, b] = model.encodes ? [await page.codeOf(0), await page.codeOf(Math.min(1, choices - 1))] : [0, 1].map((i) => page.sample(i).code);
      [ends[0].code, ends[1].code] = [a, b];
      await fill();
    };
    return first();
  };

  minigen.panel({
    id: "interpolation",
    title: "Interpolation",
    can: (page) => page.model.encodes || page.payload.samples !== null,
    about: "From one image to another. Choose A and B below, or take the current code.",
    mount,
  });
}

// Sliders of the most active dimensions of the code, each with how much it tells about an image.
"use strict";

{
  const FIRST = 8;

  const mount = (root, page) => {
    const { latent } = page.payload;
    const order = Array.from(latent.order);
    const activity = latent.by === "kl" ? latent.kl.data : latent.std.data.map((s) => s * s);
    const most = Math.max(...activity, 1e-9);
    const unit = latent.by === "kl" ? "nats" : "variance";
    const rows = new Map();
    const list = minigen.el("div", { class: "sliders" });

    const add = (k) => {
      const [low, high] = [Math.min(latent.low.data[k], -0.01), Math.max(latent.high.data[k], 0.01)];
      const margin = 0.25 * (high - low);
      const value = minigen.el("output", {}, "");
      const slider = minigen.el("input", {
        type: "range", min: low - margin, max: high + margin, step: "any", id: `z${k}`, "aria-label": `dimension ${k}`,
        oninput: () => {
          const code = Float32Array.from(page.code);
          code[k] = Number(slider.value);
          page.set({ code }, "slider");
        },
        onkeydown: (event) => {
          const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
          if (!way) return;
          event.preventDefault(); // with a step of "any" browsers disagree about what a key does
          slider.value = Number(slider.value) + (way * (high - low)) / 40;
          slider.dispatchEvent(new Event("input"));
        },
      });
      const words = `${activity[k].toPrecision(3)} ${unit}`;
      const bar = minigen.el("span", { class: "meter", title: words, role: "img", "aria-label": words }, minigen.el("i", { style: `width:${(100 * activity[k]) / most}%` }));
      rows.set(k, { slider, value });
      list.append(minigen.el("div", { class: "slider" }, minigen.el("label", { for: `z${k}` }, `z${k}`), bar, slider, value));
      refresh(k);
    };
    const refresh = (k) => {
      const { slider, value } = rows.get(k);
      slider.value = page.code[k];
      value.textContent = minigen.short(page.code[k]);
    };
    const more = minigen.button("More dimensions", () => {
      order.slice(rows.size, rows.size + FIRST).forEach(add);
      more.hidden = rows.size >= order.length;
    }, { id: "more-sliders", hidden: order.length <= FIRST });

    const active = Array.from(activity).filter((a) => a > 0.01).length;
    const count = minigen.el("p", { class: "muted small" }, `${active} of ${latent.size} dimensions are active (over 0.01 ${unit}); the bars show how much each carries.`);
    root.append(list, more, page.model.encodes ? count : "");
    order.slice(0, FIRST).forEach(add);
    page.on(() => rows.forEach((_, k) => refresh(k)));
  };

  minigen.panel({
    id: "sliders",
    title: "Dimensions",
    about: "The most active dimensions of the current code, one slider each.",
    mount,
  });
}

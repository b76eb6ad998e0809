// The pictures of each epoch: a slider over all of them, and a button that plays them. At its end it follows new ones.
"use strict";

{
  const { el } = minigen;
  const PAUSE = 300; // ms between two pictures

  const inWords = (name) => {
    const [kind, number] = name.split("_");
    return /^\d+$/.test(number ?? "") ? `${kind === "step" ? "update" : "epoch"} ${Number(number)}` : name;
  };

  // The pictures of one run.
  class Reel {
    constructor(name, source, several) {
      Object.assign(this, { name, source, names: [], seen: 0, timer: 0 });
      this.image = el("img", { class: "samples", alt: "" });
      this.where = el("output", { class: "small" });
      this.slider = el("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": `epoch of the pictures of ${name}`, oninput: () => this.stop() || this.put() });
      this.button = minigen.button("Play", () => (this.timer ? this.stop() : this.play()), { "aria-pressed": "false" });
      this.root = el("figure", { class: "reel", "data-run": name }, several ? el("figcaption", {}, name) : null, el("div", { class: "shot" }, this.image),
        el("div", { class: "row" }, this.button, this.slider, this.where));
    }

    // There are these pictures now. Who looks at the newest stays there.
    update(names, seen) {
      const atEnd = Number(this.slider.value) >= this.names.length - 1;
      this.names = names;
      this.seen = seen;
      this.slider.max = Math.max(0, names.length - 1);
      this.slider.disabled = this.button.disabled = names.length < 2;
      if (atEnd) this.slider.value = this.slider.max;
      this.root.hidden = !names.length;
      this.put();
    }

    put() {
      const name = this.names[Number(this.slider.value)];
      if (!name) return;
      const address = this.source.picture(this.name, name, this.seen);
      if (this.image.getAttribute("src") !== address) this.image.src = address;
      this.image.alt = `Images of the data beside what ${this.name} makes of them, or samples, after ${inWords(name)}`;
      this.where.textContent = inWords(name);
      this.slider.setAttribute("aria-valuetext", inWords(name));
    }

    // Show the last picture that was drawn not later than update `step`; `perEpoch` updates are an epoch.
    goTo(step, perEpoch) {
      const at = this.names.map((name) => {
        const [kind, number] = name.split("_");
        return Number(number) * (kind === "epoch" ? perEpoch ?? 1 : 1);
      });
      this.slider.value = Math.max(0, at.findLastIndex((x) => x <= step));
      this.put();
    }

    play() {
      if (Number(this.slider.value) >= this.names.length - 1) this.slider.value = 0;
      this.put();
      this.button.textContent = "Stop";
      this.button.setAttribute("aria-pressed", "true");
      this.timer = setInterval(() => {
        this.slider.value = Number(this.slider.value) + 1;
        this.put();
        if (Number(this.slider.value) >= this.names.length - 1) this.stop();
      }, PAUSE);
    }

    stop() {
      clearInterval(this.timer);
      this.timer = 0;
      this.button.textContent = "Play";
      this.button.setAttribute("aria-pressed", "false");
    }
  }

  minigen.Samples = class {
    constructor(source) {
      this.source = source;
      this.reels = new Map();
      this.body = el("div", { class: "reels" });
      this.root = el("section", { class: "panel", id: "samples", "aria-label": "Pictures" },
        el("header", {}, el("h2", {}, "Pictures"), el("p", { class: "muted small" }, "after each epoch: images of the data beside what the model makes of them, or samples")), this.body);
    }

    show(runs) {
      for (const [name, reel] of this.reels) {
        if (runs.some((run) => run.name === name)) continue;
        reel.stop();
        this.reels.delete(name);
      }
      for (const run of runs) {
        if (!this.reels.has(run.name)) this.reels.set(run.name, new Reel(run.name, this.source, true));
        this.reels.get(run.name).update(run.samples, run.samples.length);
      }
      const shown = runs.map((run) => this.reels.get(run.name).root);
      if (shown.length !== this.body.childElementCount || shown.some((one, k) => one !== this.body.children[k])) this.body.replaceChildren(...shown);
      this.root.hidden = runs.every((run) => !run.samples.length);
    }

    goTo(run, step) {
      this.reels.get(run.name)?.goTo(step, run.steps_per_epoch);
    }
  };
}

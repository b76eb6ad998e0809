// The page: one current code (and class) that all panels read and change, and the panels, each in a section of its own.
"use strict";

{
  minigen.Page = class {
    constructor(payload, engine) {
      this.payload = payload;
      this.engine = engine;
      this.model = new minigen.Model(engine, payload);
      this.images = new minigen.Images(payload.image);
      this.classes = payload.latent?.class_names ?? null; // those that the model is told
      this.names = payload.classes; // those of the data set
      this.code = payload.latent ? Float32Array.from(payload.latent.mean.data) : null;
      this.label = this.classes ? 0 : null;
      this.image = null; // of the current code, (C * H * W)
      this.decoded = 0; // how many current codes were decoded, for whoever measures
      this.listeners = [];
      this.#decode = minigen.latest(async (code, label, from) => {
        const image = await this.model.decode(code, label);
        this.image = image;
        this.decoded += 1;
        for (const listener of this.listeners) listener({ code, label, image, from });
      });
    }

    #decode;

    // Call `listener({code, label, image, from})` after each change of the current code.
    on(listener) {
      this.listeners.push(listener);
    }

    // Change the current code (D,), its class, or both; `from` is whoever changes them.
    async set({ code = this.code, label = this.label }, from = null) {
      this.code = Float32Array.from(code);
      this.label = label;
      try {
        await this.#decode(this.code, label, from);
        minigen.complain(null);
      } catch (error) {
        minigen.complain(error);
      }
    }

    // Resolves when the current code is decoded and shown.
    async settled() {
      while (this.#decode.busy()) await new Promise((done) => setTimeout(done, 5));
    }

    show(canvas, floats, i = 0) {
      this.images.show(canvas, floats, i);
    }

    // The image of row i of "test" or "train", as floats.
    known(split, i) {
      return this.images.floats(this.payload[split].images.data, i);
    }

    // The class of row i of "test" or "train"; null without labels.
    labelOf(split, i) {
      return this.payload[split].labels?.data[i] ?? null;
    }

    nameOf(label) {
      return label === null || label === undefined ? "" : (this.names?.[label] ?? String(label));
    }

    // The code (D,) of test image i: known, or asked of the encoder.
    async codeOf(i) {
      const { codes } = this.payload.test;
      if (codes) return codes.data.slice(i * this.model.size, (i + 1) * this.model.size);
      return this.model.encode(this.known("test", i), this.labelOf("test", i));
    }

    // Take test image i: its code, and its class where the decoder is told one.
    async take(i, from) {
      const label = this.classes && this.payload.latent.given_classes ? this.labelOf("test", i) : this.label;
      await this.set({ code: await this.codeOf(i), label }, from);
    }

    // Sample number i of the prior, or of a density fitted to codes: {code, label}.
    sample(i) {
      const { codes, labels } = this.payload.samples;
      const k = i % codes.shape[0];
      return { code: codes.data.slice(k * this.model.size, (k + 1) * this.model.size), label: labels ? labels.data[k] : this.label };
    }

    // The first code: that of a test image, or a sample, or the mean of all.
    async begin() {
      if (this.model.encodes) await this.take(0, "begin");
      else await this.set(this.payload.samples ? this.sample(0) : {}, "begin");
    }

    // Put every panel that the run offers (minigen/explore/abilities.py) and the page can fill into `root`.
    async mount(root) {
      const offered = ({ id, can }) => this.payload.abilities.panels.includes(id) && (can?.(this) ?? true);
      for (const panel of minigen.panels.filter(offered)) {
        const body = minigen.el("div", { class: "body" });
        const title = minigen.el("h2", { id: `title-${panel.id}` }, panel.title);
        const head = minigen.el("header", {}, title, minigen.el("p", { class: "muted" }, panel.about));
        root.append(minigen.el("section", { id: `panel-${panel.id}`, class: "panel", "aria-labelledby": title.id }, head, body));
        await panel.mount(body, this);
      }
    }
  };
}

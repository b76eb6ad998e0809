// The whole plane of a latent map, decoded: a grid of images under its points.
"use strict";

{
  const SIDE = 14;

  minigen.Tiles = class {
    constructor(page, view, onchange) {
      Object.assign(this, { page, view, onchange, on: false, flat: false, sheet: null });
      this.fill = minigen.latest(() => this.#decode());
      this.refresh = (flat = this.flat) => { this.flat = flat; if (this.on) this.soon(); };
      this.soon = minigen.later(120, () => this.fill().catch(minigen.complain));
    }

    toggle(on) {
      this.on = on;
      this.sheet = null;
      if (on) this.fill().catch(minigen.complain);
      else this.onchange();
    }

    async #decode() {
      const { page, view } = this;
      const codes = new Float32Array(SIDE * SIDE * page.model.size);
      for (let k = 0; k < SIDE * SIDE; k++) {
        const where = [((k % SIDE) + 0.5) / SIDE, (Math.floor(k / SIDE) + 0.5) / SIDE];
        codes.set(view.codeAt(view.fromWindow(where), page.code, this.flat), k * page.model.size);
      }
      const images = await page.model.decode(codes, page.label);
      const one = page.images.canvas();
      const { width, height } = one;
      const sheet = Object.assign(document.createElement("canvas"), { width: width * SIDE, height: height * SIDE });
      const context = sheet.getContext("2d");
      for (let k = 0; k < SIDE * SIDE; k++) {
        page.show(one, images, k);
        context.drawImage(one, (k % SIDE) * width, Math.floor(k / SIDE) * height);
      }
      this.sheet = sheet;
      this.onchange();
    }

    // Lay the decoded plane on a canvas of that side, if it is wanted and decoded: true if so.
    paint(context, side) {
      if (!this.on || !this.sheet) return false;
      context.imageSmoothingEnabled = false;
      context.drawImage(this.sheet, 0, 0, side, side);
      return true;
    }
  };
}

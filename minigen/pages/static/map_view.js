// The plane of a latent map: which two axes it has, which code a place means, and where a code lies.
"use strict";

{
  // Axes: the principal plane ("pca"), or two dimensions of the code ([i, j]).
  minigen.MapView = class {
    constructor(page) {
      this.page = page;
      this.size = page.model.size;
      this.useAxes(page.payload.pca ? "pca" : [0, Math.min(1, this.size - 1)]);
    }

    useAxes(axes) {
      const { pca, test } = this.page.payload;
      this.axes = axes;
      if (axes === "pca") {
        const { data } = pca.components;
        this.mean = pca.mean.data;
        this.u = data.slice(0, this.size);
        this.v = data.slice(this.size);
      } else {
        const unit = (k) => Float32Array.from({ length: this.size }, (_, j) => Number(j === k));
        this.mean = new Float32Array(this.size);
        [this.u, this.v] = axes.map(unit);
      }
      const n = test.codes.shape[0];
      this.points = Array.from({ length: n }, (_, i) => this.place(test.codes.data.subarray(i * this.size, (i + 1) * this.size)));
      this.#fit();
    }

    // The place (x, y) of a code in the plane.
    place(code) {
      let [x, y] = [0, 0];
      for (let k = 0; k < this.size; k++) {
        const d = code[k] - this.mean[k];
        x += d * this.u[k];
        y += d * this.v[k];
      }
      return [x, y];
    }

    // The code at a place: `code` moved along the two axes; `flat`: in the plane itself, through the mean of all codes.
    codeAt([x, y], code, flat) {
      const from = flat ? (this.axes === "pca" ? this.mean : this.page.payload.latent.mean.data) : code;
      const [x0, y0] = this.place(from);
      return Float32Array.from(from, (c, k) => c + (x - x0) * this.u[k] + (y - y0) * this.v[k]);
    }

    // The window: all points with a margin, one scale for both axes.
    #fit() {
      const of = (k) => this.points.map((p) => p[k]);
      const ends = [0, 1].map((k) => [Math.min(...of(k)), Math.max(...of(k))]);
      const half = 0.54 * Math.max(...ends.map(([low, high]) => high - low), 1e-6);
      this.centre = ends.map(([low, high]) => (low + high) / 2);
      this.half = half;
    }

    // Fractions of the window, from its upper left corner, and back.
    toWindow([x, y]) {
      return [(x - this.centre[0]) / (2 * this.half) + 0.5, 0.5 - (y - this.centre[1]) / (2 * this.half)];
    }

    fromWindow([a, b]) {
      return [this.centre[0] + (a - 0.5) * 2 * this.half, this.centre[1] + (0.5 - b) * 2 * this.half];
    }

    // The point nearest to a place of the window, if it is within `reach` (a fraction of the window): its number, or null.
    nearest([a, b], reach = Infinity) {
      let [best, least] = [null, reach ** 2];
      this.points.forEach((point, i) => {
        const [pa, pb] = this.toWindow(point);
        const d = (pa - a) ** 2 + (pb - b) ** 2;
        if (d < least) [best, least] = [i, d];
      });
      return best;
    }
  };

  // What the points may be coloured by: {name: {colour: (i) => css, names?, low?, high?}}.
  minigen.colourings = (page) => {
    const { labels, factors } = page.payload.test;
    const found = {};
    const byClass = (data, name) => {
      const count = page.names?.length ?? Math.max(...data) + 1;
      const names = Array.from({ length: count }, (_, k) => (name ? name(k) : String(k)));
      return { names, count, colour: (i) => minigen.classColour(data[i], count) };
    };
    if (labels) found.label = byClass(labels.data, (k) => page.nameOf(k));
    for (const [name, { data }] of Object.entries(factors)) {
      if (labels && data.every((x, i) => x === labels.data[i])) continue; // the class once more
      let [low, high] = [Infinity, -Infinity];
      for (const x of data.filter(Number.isFinite)) [low, high] = [Math.min(low, x), Math.max(high, x)];
      if (low > high) continue; // no number at all
      found[name] = { low, high, colour: (i) => minigen.colour((data[i] - low) / (high - low || 1)) };
    }
    return found;
  };
}

// The grid of a VQ-VAE, painted with the codes of its codebook; the image follows.
"use strict";

{
  // What belongs to the codebook of a payload: entries (K, D) and a grid (h, w); a code is (D, h, w) in a row.
  class Grid {
    constructor({ embedding, shape, usage }) {
      [this.count, this.size] = embedding.shape;
      [this.height, this.width] = shape;
      this.area = this.height * this.width;
      this.entries = embedding.data;
      this.usage = usage?.data ?? null;
    }

    // The code (D * h * w,) of indices (h * w,).
    code(indices) {
      const made = new Float32Array(this.size * this.area);
      indices.forEach((k, p) => {
        for (let d = 0; d < this.size; d++) made[d * this.area + p] = this.entries[k * this.size + d];
      });
      return made;
    }

    // The index of the nearest entry at each place of a code.
    indices(code) {
      return Int32Array.from({ length: this.area }, (_, p) => {
        let [best, least] = [0, Infinity];
        for (let k = 0; k < this.count; k++) {
          let sum = 0;
          for (let d = 0; d < this.size; d++) sum += (code[d * this.area + p] - this.entries[k * this.size + d]) ** 2;
          if (sum < least) [best, least] = [k, sum];
        }
        return best;
      });
    }

    // The colour of an entry: neighbours in the order of their first principal direction are alike.
    colours() {
      const direction = principal(this.entries, this.count, this.size);
      const along = Array.from({ length: this.count }, (_, k) => direction.reduce((sum, v, d) => sum + v * this.entries[k * this.size + d], 0));
      this.order = along.map((_, k) => k).sort((a, b) => along[a] - along[b]);
      const made = [];
      this.order.forEach((k, place) => { made[k] = `hsl(${Math.round((300 * place) / this.count)} 65% ${place % 2 ? 62 : 48}%)`; });
      return made;
    }
  }

  // The first principal direction (D,) of rows (n, D), by power iteration.
  const principal = (rows, n, size) => {
    const mean = Array.from({ length: size }, (_, d) => { let sum = 0; for (let k = 0; k < n; k++) sum += rows[k * size + d]; return sum / n; });
    let v = mean.map((_, d) => 1 + d / size);
    for (let round = 0; round < 30; round++) {
      const next = new Array(size).fill(0);
      for (let k = 0; k < n; k++) {
        let dot = 0;
        for (let d = 0; d < size; d++) dot += (rows[k * size + d] - mean[d]) * v[d];
        for (let d = 0; d < size; d++) next[d] += dot * (rows[k * size + d] - mean[d]);
      }
      const length = Math.hypot(...next) || 1;
      v = next.map((x) => x / length);
    }
    return v;
  };

  const mount = (root, page) => {
    const grid = new Grid(page.payload.grid);
    const colours = grid.colours();
    const chosen = { code: grid.order[0], size: 1 };
    let stroke = 0;
    let indices = grid.indices(page.code);
    const canvas = minigen.el("canvas", {
      width: grid.width * 24, height: grid.height * 24, class: "grid", role: "application", id: "codes-grid",
      "aria-label": `grid of ${grid.height} by ${grid.width} codes: arrows move, Space paints`,
    });
    const image = page.images.canvas({ id: "codes-image", class: "pic large", "aria-label": "the image of the grid" });
    const told = minigen.el("p", { class: "muted small", role: "status", id: "codes-said" });

    const drawGrid = () => {
      const context = canvas.getContext("2d");
      context.font = "11px sans-serif";
      context.textAlign = "center";
      context.textBaseline = "middle";
      indices.forEach((k, p) => {
        const [x, y] = [24 * (p % grid.width), 24 * Math.floor(p / grid.width)];
        context.fillStyle = colours[k];
        context.fillRect(x, y, 23, 23);
        context.fillStyle = "#000";
        context.fillText(k, x + 11.5, y + 12);
      });
      canvas.dataset.indices = Array.from(indices).join(" ");
      told.textContent = `${new Set(indices).size} of ${grid.count} codes are in the grid`;
    };
    const use = (wanted) => {
      indices = Int32Array.from(wanted);
      drawGrid();
      return page.set({ code: grid.code(indices) }, `codes ${stroke}`); // a stroke is undone as one
    };
    const paint = (x, y) => {
      const half = Math.floor((chosen.size - 1) / 2);
      const next = indices.slice();
      for (let j = y - half; j < y - half + chosen.size; j++) {
        for (let i = x - half; i < x - half + chosen.size; i++) {
          if (i >= 0 && j >= 0 && i < grid.width && j < grid.height) next[j * grid.width + i] = chosen.code;
        }
      }
      use(next);
    };

    // The palette: an entry is shown as the image of a grid that is full of it, decoded.
    const palette = minigen.el("div", { class: "palette", role: "radiogroup", "aria-label": "codes to paint with", id: "codes-palette" });
    const choose = (k) => {
      chosen.code = k;
      for (const one of palette.children) {
        const is = Number(one.value) === k;
        one.setAttribute("aria-checked", is);
        one.tabIndex = is ? 0 : -1;
      }
    };
    const pictures = new Map();
    for (const k of grid.order) {
      const share = grid.usage ? grid.usage[k] / grid.usage.reduce((a, b) => a + b, 0) : null;
      const title = `code ${k}${share === null ? "" : `, ${(100 * share).toFixed(1)} % of the places of test images`}`;
      pictures.set(k, page.images.canvas({ "aria-hidden": "true" }));
      palette.append(minigen.el("button", {
        type: "button", role: "radio", value: k, title, "aria-label": title, style: `border-color: ${colours[k]}`,
        class: share === 0 ? "idle" : false, onclick: () => choose(k),
      }, pictures.get(k)));
    }
    const fill = async () => {
      for (const [k, picture] of pictures) page.show(picture, await page.model.decode(grid.code(new Int32Array(grid.area).fill(k))));
      palette.dataset.drawn = true;
    };
    palette.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const at = (grid.order.indexOf(chosen.code) + by + grid.count) % grid.count;
      choose(grid.order[at]);
      palette.children[at].focus();
    });
    choose(chosen.code);

    const brush = minigen.select("Brush", [[1, "one place"], [2, "2 x 2"], [3, "3 x 3"]], (value) => { chosen.size = Number(value); });
    brush.querySelector("select").id = "codes-brush";
    const pick = { on: false };
    const picker = minigen.tick("Take a code from the grid", false, (on) => { pick.on = on; }, { id: "codes-pick" });
    const touch = (x, y) => (pick.on ? choose(indices[y * grid.width + x]) : paint(x, y));
    const board = minigen.paint(canvas, { width: grid.width, height: grid.height, paint: touch, begin: () => { stroke += 1; }, label: (x, y) => `has code ${indices[y * grid.width + x]}` });
    root.append(minigen.el("div", { class: "two" }, board, image),
      minigen.el("div", { class: "controls" }, brush, picker,
        minigen.button("Fill", () => { stroke += 1; use(new Int32Array(grid.area).fill(chosen.code)); }, { id: "codes-fill", title: "the whole grid with the chosen code" })),
      told, palette);
    page.on(({ code, image: made, from }) => {
      if (!from?.startsWith("codes")) {
        indices = grid.indices(code);
        drawGrid();
      }
      page.show(image, made);
    });
    drawGrid();
    fill().catch(minigen.complain);
  };

  minigen.panel({
    id: "codes", title: "Grid of codes",
    about: "The code of this model is a grid of entries of a codebook. Choose an entry below and paint with it.",
    can: (page) => page.payload.abilities.panels.includes("codes"), mount,
  });
}

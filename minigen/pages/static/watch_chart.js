// One chart: its caption with the unit, the canvas, what stands under the pointer, and the keys that move it.
// Arrow keys go along the curves, + and - zoom, Escape shows the whole run; a pointer drags out a range.
// Scales: "linear"; "most", linear without the extremes; "log".
"use strict";

{
  const { el, scales } = minigen;

  // The value of bucket k in words: its mean, the range that it stands for, the smoothed value.
  const valueAt = ({ x, mean, low, high, bad, smoothed }, k) => {
    const wrong = bad.find((one) => one.x === x[k]);
    const range = low[k] === high[k] ? "" : ` (${scales.text(low[k])} to ${scales.text(high[k])})`;
    const smooth = smoothed && Number.isFinite(smoothed[k]) && scales.text(smoothed[k]) !== scales.text(mean[k]) ? `, smoothed ${scales.text(smoothed[k])}` : "";
    return wrong && Number.isNaN(mean[k]) ? wrong.text : `${scales.text(mean[k])}${range}${wrong ? ` and ${wrong.text}` : ""}${smooth}`;
  };

  minigen.Chart = class {
    // `zoom(range or null)` is called with a range of the x axis; all charts of the page share it.
    constructor(term, unit, zoom) {
      this.zoom = zoom;
      this.cursor = null;
      this.dragged = null;
      this.canvas = el("canvas", { tabindex: 0, role: "img", class: "curve" });
      this.values = el("div", { class: "values small", "aria-live": "polite", hidden: true });
      this.region = el("div", { class: "region", hidden: true });
      this.notes = el("p", { class: "muted small", hidden: true });
      const of = unit.of && unit.of !== term ? `, part of ${unit.of}` : "";
      this.root = el("figure", { class: "chart", "data-term": term, "data-unit": unit.unit ?? "" },
        el("figcaption", {}, el("strong", {}, term), el("span", { class: "muted" }, ` ${unit.unit ? `${unit.unit}${of}` : ""}`)),
        el("div", { class: "plot" }, this.canvas, this.region, this.values), this.notes);
      this.term = term;
      this.#listen();
    }

    // Draw `lines` = [{run, split, series, colour, faint}] in `view` = {x: [low, high], scale, several, xText, place: (x) => words, marks}.
    show(lines, view) {
      this.lines = lines;
      this.view = view;
      this.draw();
      const told = lines.map(({ run, split, series }) => {
        const last = series.mean.findLast((value) => !Number.isNaN(value));
        return last === undefined ? null : `${run} ${minigen.SPLITS[split].text} ${scales.text(last)}`;
      });
      this.canvas.setAttribute("aria-label", `${this.term}: ${told.filter(Boolean).join("; ") || "no values"}. Arrow keys read values.`);
    }

    draw() {
      const { lines, view } = this;
      if (!lines || !this.canvas.isConnected) return;
      const all = lines.map((line) => line.series);
      const log = view.scale === "log";
      const [low, high] = scales.range(...minigen.extent(all, view.x, view.scale), log);
      this.frame = minigen.drawChart(this.canvas, {
        x: scales.axis(...view.x, false), y: scales.axis(low, high, log), xText: view.xText, lines, marks: view.marks, cursor: this.cursor,
      });
      const hidden = log ? all.reduce((sum, { mean }) => sum + mean.reduce((n, y) => n + (y <= 0), 0), 0) : 0;
      const wrong = new Set(all.flatMap(({ bad }) => bad.map(({ text }) => text)));
      const notes = [hidden ? `${hidden} values that are 0 or less have no place on a logarithmic scale` : null,
        view.scale === "most" ? "the lowest and the highest hundredth may lie beyond the edges" : null,
        wrong.size ? `\u2715 marks values that are ${[...wrong].join(", ")}` : null].filter(Boolean);
      this.notes.textContent = notes.join("; ");
      this.notes.hidden = !notes.length;
      this.#tell();
    }

    // Put the cursor at x (null: nowhere); what stands there is written below the chart.
    point(x) {
      this.cursor = x;
      this.draw();
    }

    // What stands at the cursor: a row a run, or of one run alone a row a split.
    #tell() {
      const rows = new Map();
      for (const { run, split, series, colour } of this.cursor === null ? [] : this.lines) {
        if (!series.x.length) continue;
        const key = this.view.several ? run : split;
        if (!rows.has(key)) rows.set(key, { colour, words: [] });
        rows.get(key).words.push(`${minigen.SPLITS[split].text}: ${valueAt(series, minigen.nearestTo(series.x, this.cursor))}`);
      }
      const place = rows.size ? el("span", { class: "muted" }, this.view.place(this.cursor)) : null;
      this.values.hidden = !rows.size;
      this.values.replaceChildren(...(place ? [place] : []), ...[...rows].map(([key, { colour, words }]) =>
        el("span", {}, el("i", { class: "dot", style: `background:${colour}` }), this.view.several ? el("strong", {}, `${key} `) : null, words.join(" \u00b7 "))));
    }

    #listen() {
      const at = (event) => {
        const box = this.canvas.getBoundingClientRect();
        const { left, right } = this.frame;
        const share = Math.min(1, Math.max(0, (event.clientX - box.left - left) / (right - left)));
        return scales.axis(...this.view.x, false).back(share);
      };
      this.canvas.addEventListener("pointerdown", (event) => {
        if (event.pointerType !== "touch" && event.button === 0) this.dragged = { from: at(event), start: event.clientX };
      });
      this.canvas.addEventListener("pointermove", (event) => {
        this.point(at(event));
        this.#outline(event);
      });
      this.canvas.addEventListener("pointerup", (event) => {
        const { dragged } = this;
        this.dragged = null;
        this.region.hidden = true;
        if (dragged && Math.abs(event.clientX - dragged.start) > 8) this.zoom([dragged.from, at(event)].sort((a, b) => a - b));
      });
      this.canvas.addEventListener("pointerleave", () => {
        this.dragged = null;
        this.region.hidden = true;
        this.point(null);
      });
      this.canvas.addEventListener("dblclick", () => this.zoom(null));
      this.canvas.addEventListener("keydown", (event) => this.#key(event));
      this.canvas.addEventListener("blur", () => this.point(null));
    }

    #outline(event) {
      if (!this.dragged) return;
      const box = this.canvas.getBoundingClientRect();
      const [a, b] = [this.dragged.start - box.left, event.clientX - box.left].sort((p, q) => p - q);
      this.region.hidden = false;
      Object.assign(this.region.style, { left: `${a}px`, width: `${b - a}px`, top: `${this.frame.top}px`, height: `${this.frame.bottom - this.frame.top}px` });
    }

    #key(event) {
      const [low, high] = this.view.x;
      const here = this.cursor ?? high;
      const moves = { ArrowLeft: -1, ArrowRight: 1 };
      if (event.key in moves) {
        const step = (moves[event.key] * (high - low)) / (event.shiftKey ? 10 : 100);
        this.point(Math.min(high, Math.max(low, this.cursor === null ? here : here + step)));
      } else if (event.key === "+" || event.key === "-") {
        const half = ((high - low) / 2) * (event.key === "+" ? 0.5 : 2);
        this.zoom([here - half, here + half]);
      } else if (event.key === "Escape") this.zoom(null);
      else return;
      event.preventDefault();
    }
  };
}

// Small charts: a code as bars, colours of classes and of numbers.
"use strict";

{
  const CLASSES = ["#4c78d8", "#e8833a", "#3aa565", "#d64f5f", "#8b62c9", "#a0704a", "#db72b4", "#7d8590", "#b5a028", "#27a7b8"];
  const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

  // The colour of class k.
  minigen.classColour = (k, count) => (count <= CLASSES.length ? CLASSES[k] : `hsl(${(k * 137.5) % 360} 60% 55%)`);

  // The colour of a number t from 0 to 1: viridis, by its five stops; grey for NaN, which is none.
  minigen.colour = (t) => {
    if (Number.isNaN(t)) return "gray";
    const at = Math.min(Math.max(t, 0), 1) * (VIRIDIS.length - 1);
    const k = Math.min(Math.floor(at), VIRIDIS.length - 2);
    const mixed = VIRIDIS[k].map((x, j) => Math.round(x + (at - k) * (VIRIDIS[k + 1][j] - x)));
    return `rgb(${mixed.join(" ")})`;
  };

  // Numbers as bars above and below a line, on a canvas that is as wide as its place.
  minigen.bars = (canvas, values, { range, colour }) => {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((x) => Math.max(1, Math.round(x * ratio)));
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    const [low, high] = range;
    const y = (v) => height - ((v - low) / (high - low || 1)) * height;
    const step = width / values.length;
    const gap = step > 4 ? 1 : 0;
    context.fillStyle = colour;
    values.forEach((v, k) => {
      const [top, bottom] = [Math.min(y(v), y(0)), Math.max(y(v), y(0))];
      context.fillRect(k * step, top, Math.max(step - gap, 0.5), Math.max(bottom - top, 1));
    });
  };

  // A colour of the style sheet, such as --ink.
  minigen.themed = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

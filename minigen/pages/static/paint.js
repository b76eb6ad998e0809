// Painting on a grid of cells by mouse, finger or keyboard.
"use strict";

{
  // The cells on the way from one cell to another (Bresenham 1965).
  const between = (from, to) => {
    const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y), 1);
    return Array.from({ length: steps }, (_, k) => {
      const t = (k + 1) / steps;
      return { x: Math.round(from.x + t * (to.x - from.x)), y: Math.round(from.y + t * (to.y - from.y)) };
    });
  };

  // The keyboard on `canvas`, of width x height cells: arrows move a cell that is marked, Space paints it, and with Shift
  // the way is painted. `paint(x, y)`, `begin()` and `end()` as in minigen.paint; `label(x, y)` says what the marked cell
  // is. Returns the element to put on the page.
  minigen.cursor = (canvas, { width, height, paint, begin = () => {}, end = () => {}, label = () => "" }) => {
    const mark = minigen.el("span", { class: "mark", hidden: true });
    const said = minigen.el("span", { class: "unseen", role: "status" });
    const cell = { x: Math.floor(width / 2), y: Math.floor(height / 2) };

    const place = () => {
      mark.style.left = `${(100 * cell.x) / width}%`;
      mark.style.top = `${(100 * cell.y) / height}%`;
      mark.style.width = `${100 / width}%`;
      mark.style.height = `${100 / height}%`;
    };
    canvas.tabIndex = 0;
    canvas.addEventListener("focus", () => { mark.hidden = !canvas.matches(":focus-visible"); place(); });
    canvas.addEventListener("blur", () => { mark.hidden = true; });
    canvas.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const paints = event.key === " " || event.key === "Enter" || (move && event.shiftKey);
      if (!move && !paints) return;
      event.preventDefault();
      mark.hidden = false;
      if (move) {
        cell.x = Math.min(Math.max(cell.x + move[0], 0), width - 1);
        cell.y = Math.min(Math.max(cell.y + move[1], 0), height - 1);
        place();
      }
      if (paints) {
        begin();
        paint(cell.x, cell.y);
        end();
      }
      said.textContent = `row ${cell.y + 1}, column ${cell.x + 1} ${label(cell.x, cell.y)}`;
    });
    return minigen.el("div", { class: "paintable" }, canvas, mark, said);
  };

  // Let `canvas` be painted on, by pointer and by keyboard: `paint(x, y)` for each cell that is passed, `begin()` before a
  // stroke, `end()` after it. Returns the element to put on the page.
  minigen.paint = (canvas, options) => {
    const { width, height, paint, begin = () => {}, end = () => {} } = options;
    let last = null; // the cell where the pointer is, while it paints

    const inside = ({ x, y }) => x >= 0 && y >= 0 && x < width && y < height;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return { x: Math.floor(((event.clientX - box.left) / box.width) * width), y: Math.floor(((event.clientY - box.top) / box.height) * height) };
    };
    const put = (one) => inside(one) && paint(one.x, one.y);

    canvas.style.touchAction = "none";
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      begin();
      last = at(event);
      put(last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      const now = at(event);
      if (now.x === last.x && now.y === last.y) return;
      between(last, now).forEach(put);
      last = now;
    });
    const stop = () => {
      if (last) end();
      last = null;
    };
    canvas.addEventListener("pointerup", stop);
    canvas.addEventListener("pointercancel", stop);
    return minigen.cursor(canvas, options);
  };
}

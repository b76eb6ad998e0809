// Paints one chart on a canvas: grid and ticks, bands from the lowest to the highest value, lines, marks of findings.
"use strict";

{
  const MARGIN = { left: 58, right: 12, top: 14, bottom: 26 };

  // A canvas as sharp as the screen; returns its 2D context in CSS pixels, with width and height.
  const prepared = (canvas) => {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.max(80, canvas.clientWidth), Math.max(80, canvas.clientHeight)];
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return { context, width, height };
  };

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Draw `view` = {x: axis, y: axis, xText, lines: [{series, colour, split, faint}], marks: [x], cursor: x or null}.
  // Returns the frame, so that a pointer finds its value: {left, right, top, bottom} in CSS pixels.
  minigen.drawChart = (canvas, view) => {
    const { context, width, height } = prepared(canvas);
    const frame = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
    const px = (x) => frame.left + view.x.at(x) * (frame.right - frame.left);
    const py = (y) => frame.bottom - view.y.at(y) * (frame.bottom - frame.top);
    grid(context, frame, view, px, py);
    context.save();
    context.beginPath();
    context.rect(frame.left - 4, frame.top - 8, frame.right - frame.left + 8, frame.bottom - frame.top + 8);
    context.clip();
    for (const x of view.marks) vertical(context, px(x), frame, colour("--bad"), [2, 3]);
    for (const line of view.lines) band(context, line, view, px, py);
    for (const line of view.lines) stroke(context, line, view, px, py);
    for (const line of view.lines) notNumbers(context, line, px, frame);
    if (view.cursor !== null) vertical(context, px(view.cursor), frame, colour("--ink"), []);
    context.restore();
    return frame;
  };

  const grid = (context, frame, view, px, py) => {
    const { text, ticks, logTicks } = minigen.scales;
    context.font = "11px system-ui, sans-serif";
    context.lineWidth = 1;
    context.strokeStyle = colour("--line");
    context.fillStyle = colour("--soft");
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const y of (view.y.log ? logTicks : ticks)(view.y.low, view.y.high, (frame.bottom - frame.top) / 38)) {
      const at = Math.round(py(y)) + 0.5;
      context.beginPath();
      context.moveTo(frame.left, at);
      context.lineTo(frame.right, at);
      context.stroke();
      context.fillText(text(y), frame.left - 6, at);
    }
    context.textBaseline = "top";
    const shown = ticks(view.x.low, view.x.high, (frame.right - frame.left) / 80);
    shown.forEach((x) => {
      const label = view.xText(x);
      const half = context.measureText(label).width / 2;
      context.textAlign = "center";
      const at = Math.min(Math.max(px(x), frame.left + half - 20), frame.right - half);
      context.fillText(label, at, frame.bottom + 7);
    });
    context.strokeStyle = colour("--soft");
    context.beginPath();
    context.moveTo(frame.left, frame.bottom + 0.5);
    context.lineTo(frame.right, frame.bottom + 0.5);
    context.stroke();
  };

  const vertical = (context, x, frame, paint, dash) => {
    context.strokeStyle = paint;
    context.lineWidth = 1;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(x, frame.top - 8);
    context.lineTo(x, frame.bottom);
    context.stroke();
    context.setLineDash([]);
  };

  const drawable = (y, log) => Number.isFinite(y) && (!log || y > 0);

  // What lies between the lowest and the highest value of each bucket.
  const band = (context, { series, colour: paint, faint }, view, px, py) => {
    const { x, low, high } = series;
    context.fillStyle = context.strokeStyle = paint;
    context.globalAlpha = faint ? 0.25 : 0.45;
    context.lineWidth = 1;
    context.beginPath();
    for (let k = 0; k < x.length; k += 1) {
      if (high[k] === low[k] || !drawable(high[k], view.y.log)) continue;
      const bottom = drawable(low[k], view.y.log) ? py(low[k]) : py(view.y.low);
      context.moveTo(px(x[k]), bottom);
      context.lineTo(px(x[k]), py(high[k]));
    }
    context.stroke();
    context.globalAlpha = 1;
  };

  const stroke = (context, { series, colour: paint, split, faint }, view, px, py) => {
    const style = minigen.SPLITS[split];
    const { x, mean, smoothed } = series;
    const shown = (y, k) => k >= 0 && k < x.length && drawable(y[k], view.y.log);
    const path = (y) => {
      context.beginPath();
      for (let k = 0; k < x.length; k += 1) {
        if (!shown(y, k)) continue;
        if (shown(y, k - 1)) context.lineTo(px(x[k]), py(y[k]));
        else context.moveTo(px(x[k]), py(y[k]));
      }
      context.stroke();
    };
    context.strokeStyle = context.fillStyle = paint;
    context.lineJoin = "round";
    context.setLineDash(style.dash);
    context.lineWidth = smoothed ? 1 : style.width;
    context.globalAlpha = smoothed ? 0.25 : faint ? 0.55 : 1;
    path(mean);
    context.globalAlpha = 1;
    if (smoothed) {
      context.lineWidth = style.width + 0.4;
      path(smoothed);
    }
    context.setLineDash([]);
    const few = split !== "batch" && x.length <= 40;
    for (let k = 0; k < x.length; k += 1) {
      if (!shown(mean, k) || !(few || (!shown(mean, k - 1) && !shown(mean, k + 1)))) continue; // a point alone has no line
      context.beginPath();
      context.arc(px(x[k]), py(mean[k]), 2.6, 0, 2 * Math.PI);
      context.fill();
    }
  };

  // NaN and infinite values: a cross at the upper edge.
  const notNumbers = (context, { series }, px, frame) => {
    context.strokeStyle = colour("--bad");
    context.lineWidth = 2;
    for (const { x } of series.bad) {
      const [cx, cy] = [px(x), frame.top - 1];
      context.beginPath();
      for (const s of [-1, 1]) {
        context.moveTo(cx - 4, cy - 4 * s);
        context.lineTo(cx + 4, cy + 4 * s);
      }
      context.stroke();
    }
  };
}

// Curves as the chart draws them: buckets of minigen/dashboard/buckets.py along an axis of updates, epochs or time.
"use strict";

{
  // How the three splits are told apart; "batch" is one update, the others are means.
  minigen.SPLITS = {
    batch: { text: "each logged update", width: 1.2, dash: [] },
    train: { text: "mean of an epoch", width: 2, dash: [] },
    validation: { text: "validation", width: 2, dash: [6, 4] },
  };

  // Where a bucket lies on the axis.
  const position = (curve, axis, perEpoch) => {
    const last = curve.last.data;
    if (axis === "time") return Float64Array.from(curve.seconds.data);
    return Float64Array.from(last, (step) => (axis === "epoch" && perEpoch ? step / perEpoch : step));
  };

  // A curve ready to be drawn: x, mean, low, high (arrays), `bad`: [{x, text}] where values are NaN or infinite.
  minigen.series = (curve, { axis, perEpoch, smooth }) => {
    const x = position(curve, axis, perEpoch);
    const bad = [];
    for (let k = 0; k < x.length; k += 1) {
      const words = [[curve.nan, "NaN"], [curve.above, "infinite"], [curve.below, "\u2212infinite"]]
        .filter(([counts]) => counts.data[k] > 0).map(([, word]) => word);
      if (words.length) bad.push({ x: x[k], text: words.join(", ") });
    }
    const found = { x, mean: curve.mean.data, low: curve.low.data, high: curve.high.data, bad, smoothed: null };
    if (smooth > 0) found.smoothed = smoothed(curve, smooth);
    return found;
  };

  // The exponential mean with a memory of `tau` updates: sum of w mean over sum of w, w = count exp(-age / tau). It starts
  // unbiased, passes over NaN, and depends on steps, not on how many rows a bucket has.
  const smoothed = (curve, tau) => {
    const [steps, means] = [curve.last.data, curve.mean.data];
    const made = new Float64Array(steps.length).fill(NaN);
    let [total, weight] = [0, 0];
    for (let k = 0; k < steps.length; k += 1) {
      const fade = k ? Math.exp(-(steps[k] - steps[k - 1]) / tau) : 1;
      [total, weight] = [total * fade, weight * fade];
      if (Number.isFinite(means[k])) {
        const count = curve.count.data[k] - curve.nan.data[k] - curve.above.data[k] - curve.below.data[k];
        total += count * means[k];
        weight += count;
        made[k] = total / weight;
      }
    }
    return made;
  };

  // The lowest and highest value that is drawn between x0 and x1, on a logarithmic axis ("log") of those above 0. Where
  // extremes are left out ("most"), the lowest and the highest hundredth of the buckets are not asked.
  minigen.extent = (series, [x0, x1], scale) => {
    const [lows, highs] = [[], []];
    const fits = (y) => Number.isFinite(y) && (scale !== "log" || y > 0);
    for (const { x, low, high } of series) {
      for (let k = 0; k < x.length; k += 1) {
        if (x[k] < x0 || x[k] > x1 || !fits(high[k])) continue;
        highs.push(high[k]);
        lows.push(fits(low[k]) ? low[k] : high[k]);
      }
    }
    if (!lows.length) return [Infinity, -Infinity];
    const cut = scale === "most" ? Math.floor(lows.length / 100) : 0;
    return [lows.sort((a, b) => a - b)[cut], highs.sort((a, b) => b - a)[cut]];
  };

  // The place of the value next to x in a sorted array.
  minigen.nearestTo = (xs, x) => {
    let [a, b] = [0, xs.length - 1];
    while (b - a > 1) {
      const middle = (a + b) >> 1;
      if (xs[middle] < x) a = middle;
      else b = middle;
    }
    return Math.abs(xs[a] - x) <= Math.abs(xs[b] - x) ? a : b;
  };
}

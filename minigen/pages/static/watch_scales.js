// Numbers on axes and in words: where ticks stand, linear and logarithmic scales, durations. Nothing here draws.
"use strict";

{
  const scales = (minigen.scales = {});

  // A number as a reader wants it: at most `digits` of them, with a power of ten where it is very large or small.
  scales.text = (x, digits = 4) => {
    if (Number.isNaN(x)) return "NaN";
    if (!Number.isFinite(x)) return x > 0 ? "infinite" : "\u2212infinite";
    const size = Math.abs(x);
    if (size >= 10 ** digits && size < 1e6) return scales.whole(x).replace("-", "\u2212");
    const short = size !== 0 && (size >= 1e6 || size < 1e-4) ? x.toExponential(Math.min(digits - 1, 3)) : x.toPrecision(digits);
    const bare = short.includes(".") ? short.replace(/\.?0+(?=e|$)/, "") : short;
    return bare.replace("e+", "e").replaceAll("-", "\u2212");
  };

  scales.whole = (x) => Math.round(x).toLocaleString("en-US");

  // Seconds as 41 s, 12:05, 1:02:03.
  scales.duration = (seconds) => {
    const s = Math.round(seconds);
    const two = (x) => String(x).padStart(2, "0");
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)}:${two(s % 60)}`;
    return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  };

  // Round numbers from `low` to `high`, about `count` of them: 1, 2 or 5 times a power of ten apart.
  scales.ticks = (low, high, count) => {
    if (!(high > low)) return [low];
    const rough = (high - low) / Math.max(1, count);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((k) => k * power).find((size) => size >= rough * 0.999);
    const first = Math.ceil(low / step - 1e-9);
    const found = [];
    for (let k = first; k * step <= high + step * 1e-9 && found.length < 100; k += 1) found.push(Number((k * step).toPrecision(12)));
    return found;
  };

  // Powers of ten; where there are fewer than two of them, round numbers between.
  scales.logTicks = (low, high, count) => {
    const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
    if (last - first < 1) return scales.ticks(low, high, count).filter((x) => x > 0);
    const every = Math.max(1, Math.ceil((last - first + 1) / Math.max(2, count)));
    return Array.from({ length: Math.floor((last - first) / every) + 1 }, (_, k) => 10 ** (first + k * every));
  };

  // From a value to a share of the axis, 0 at its low end and 1 at its high end. On a logarithmic one only x > 0 has a place.
  scales.axis = (low, high, log) => {
    const f = log ? Math.log10 : (x) => x;
    const [a, b] = [f(low), f(high)];
    return { low, high, log, at: (x) => (f(x) - a) / (b - a || 1), back: (t) => (log ? 10 ** (a + t * (b - a)) : a + t * (b - a)) };
  };

  // The range of an axis that shows these values: some room around, and none of zero width.
  scales.range = (low, high, log) => {
    if (!(low <= high)) return log ? [0.1, 1] : [0, 1];
    if (log) {
      const room = high > low ? (high / low) ** 0.05 : 2;
      return [low / room, high * room];
    }
    const room = high > low ? (high - low) * 0.05 : Math.max(Math.abs(low) * 0.1, 1e-9);
    return [low - room, high + room];
  };
}

// Operations along axes: sums, extremes, their places, softmax, norms.
"use strict";

// The value with these axes last, as rows: {data, rows, width, kept: lengths of the other axes}.
function asRows(x, axes) {
  const rank = x.shape.length;
  const last = (axes ?? x.shape.map((_, i) => i)).map((axis) => axisOf(axis, rank));
  const first = x.shape.map((_, i) => i).filter((i) => !last.includes(i));
  const perm = [...first, ...last];
  const { data } = perm.every((p, i) => p === i) ? x : operations.Transpose([x], { perm });
  const kept = first.map((i) => x.shape[i]);
  return { data, kept, last, rows: count(kept), width: count(last.map((i) => x.shape[i])) };
}

// A reduction of rows: `f(numbers, start, width)` of each.
function reduction(f) {
  return ([x, given], { axes, keepdims = 1 }) => {
    const { data, kept, last, rows, width } = asRows(x, given ? [...given.data] : axes);
    const y = fresh(keepdims ? x.shape.map((n, i) => (last.includes(i) ? 1 : n)) : kept, x.data.constructor);
    for (let r = 0; r < rows; r++) y.data[r] = f(data, r * width, width);
    return y;
  };
}

function sum(x, start, width) {
  let total = 0;
  for (let i = start; i < start + width; i++) total += x[i];
  return total;
}

function largest(x, start, width) {
  let best = -Infinity;
  for (let i = start; i < start + width; i++) best = Math.max(best, x[i]);
  return best;
}

Object.assign(operations, {
  ReduceSum: reduction(sum),
  ReduceMean: reduction((x, start, width) => sum(x, start, width) / width),
  ReduceProd: reduction((x, start, width) => x.subarray(start, start + width).reduce((a, b) => a * b, 1)),
  ReduceMax: reduction(largest),
  ReduceMin: reduction((x, start, width) => x.subarray(start, start + width).reduce((a, b) => Math.min(a, b), Infinity)),
});

// The place of the best of each row, the first of equal ones.
function best(better) {
  const place = reduction((x, start, width) => {
    let at = 0;
    for (let i = 1; i < width; i++) if (better(x[start + i], x[start + at])) at = i;
    return at;
  });
  return ([x], { axis = 0, keepdims = 1 }) => {
    const { data, shape } = place([x], { axes: [axis], keepdims });
    return { data: Int32Array.from(data), shape };
  };
}

operations.ArgMax = best((a, b) => a > b);
operations.ArgMin = best((a, b) => a < b);

// Something of each line along one axis: `f(line, result)`, both of one length.
function alongAxis(x, axis, f) {
  const at = axisOf(axis, x.shape.length), n = x.shape[at];
  const [outer, inner] = around(x.shape, at);
  const y = fresh(x.shape, x.data.constructor);
  const line = new Float64Array(n), made = new Float64Array(n);
  for (let i = 0; i < outer; i++) {
    for (let j = 0; j < inner; j++) {
      const start = i * n * inner + j;
      for (let k = 0; k < n; k++) line[k] = x.data[start + k * inner];
      f(line, made);
      for (let k = 0; k < n; k++) y.data[start + k * inner] = made[k];
    }
  }
  return y;
}

Object.assign(operations, {
  Softmax: ([x], { axis = -1 }) => alongAxis(x, axis, (line, made) => {
    const top = largest(line, 0, line.length);
    line.forEach((v, k) => { made[k] = Math.exp(v - top); });
    const total = sum(made, 0, made.length);
    made.forEach((v, k) => { made[k] = v / total; });
  }),
  LogSoftmax: ([x], { axis = -1 }) => alongAxis(x, axis, (line, made) => {
    const top = largest(line, 0, line.length);
    const total = line.reduce((s, v) => s + Math.exp(v - top), 0);
    line.forEach((v, k) => { made[k] = v - top - Math.log(total); });
  }),
  CumSum: ([x, axis]) => alongAxis(x, axis.data[0], (line, made) => {
    line.reduce((s, v, k) => (made[k] = s + v), 0);
  }),
  TopK([x, wanted], { axis = -1, largest: descending = 1 }) {
    const at = axisOf(axis, x.shape.length), n = x.shape[at], k = wanted.data[0];
    const order = alongAxis({ data: Float64Array.from(x.data), shape: x.shape }, at, (line, made) => {
      const sign = descending ? -1 : 1;
      const places = [...line.keys()].sort((a, b) => compareWithNaN(sign * line[a], sign * line[b]) || a - b);
      places.forEach((p, i) => { made[i] = p; });
    });
    const all = { data: Int32Array.from(order.data), shape: x.shape };
    const [zero, end, where] = [0, k, at].map((i) => ({ data: Int32Array.of(i), shape: [1] }));
    const places = k === n ? all : operations.Slice([all, zero, end, where]);
    return [operations.GatherElements([x, places], { axis: at }), places];
  },
});

// The order of two numbers; NaN is behind all.
function compareWithNaN(a, b) {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return a < b ? -1 : a > b ? 1 : 0;
}

Object.assign(operations, {
  BatchNormalization([x, weight, bias, mean, variance], { epsilon = 1e-5 }) {
    const y = fresh(x.shape, x.data.constructor);
    const channels = x.shape[1], size = count(x.shape.slice(2));
    for (let i = 0, start = 0; start < x.data.length; i++, start += size) {
      const c = i % channels;
      const scale = weight.data[c] / Math.sqrt(variance.data[c] + epsilon);
      const shift = bias.data[c] - mean.data[c] * scale;
      for (let k = start; k < start + size; k++) y.data[k] = x.data[k] * scale + shift;
    }
    return y;
  },
});

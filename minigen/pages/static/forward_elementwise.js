// Operations of each number by itself, and of two numbers at a time; shapes are broadcast as NumPy does it.
"use strict";

// One number. The frequent ones have loops of their own, which JavaScript engines make into machine code.

Object.assign(operations, {
  Relu([x]) {
    const y = fresh(x.shape, x.data.constructor);
    const a = x.data, b = y.data;
    for (let i = 0; i < a.length; i++) b[i] = Math.max(a[i], 0); // of a NaN it is NaN
    return y;
  },
  LeakyRelu([x], { alpha = 0.01 }) {
    const y = fresh(x.shape, x.data.constructor);
    const a = x.data, b = y.data;
    if (alpha > 0 && alpha <= 1) for (let i = 0; i < a.length; i++) b[i] = Math.max(a[i], alpha * a[i]);
    else for (let i = 0; i < a.length; i++) b[i] = a[i] < 0 ? alpha * a[i] : a[i];
    return y;
  },
  Sigmoid([x]) {
    const y = fresh(x.shape, x.data.constructor);
    const a = x.data, b = y.data;
    for (let i = 0; i < a.length; i++) b[i] = 1 / (1 + Math.exp(-a[i]));
    return y;
  },
  Tanh([x]) {
    const y = fresh(x.shape, x.data.constructor);
    const a = x.data, b = y.data;
    for (let i = 0; i < a.length; i++) b[i] = Math.tanh(a[i]);
    return y;
  },
});

// An operation of one number; `Kind` is that of the result, by default that of the input.
function unary(f, Kind) {
  return ([x], attributes) => {
    const y = fresh(x.shape, Kind ?? x.data.constructor);
    for (let i = 0; i < x.data.length; i++) y.data[i] = f(x.data[i], attributes);
    return y;
  };
}

Object.assign(operations, {
  Abs: unary(Math.abs),
  Ceil: unary(Math.ceil),
  Cos: unary(Math.cos),
  Elu: unary((x, { alpha = 1 }) => (x < 0 ? alpha * Math.expm1(x) : x)),
  Erf: unary(erf),
  Exp: unary(Math.exp),
  Floor: unary(Math.floor),
  Identity: ([x]) => x,
  IsInf: unary((x) => (Math.abs(x) === Infinity ? 1 : 0), Uint8Array),
  IsNaN: unary((x) => (Number.isNaN(x) ? 1 : 0), Uint8Array),
  Log: unary(Math.log),
  Neg: unary((x) => -x),
  Not: unary((x) => (x ? 0 : 1)),
  Reciprocal: unary((x) => 1 / x),
  Round: unary(rounded),
  Sign: unary(Math.sign),
  Sin: unary(Math.sin),
  Softplus: unary((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  Sqrt: unary(Math.sqrt),
});

// To the nearest whole number, and of two to the even one.
function rounded(x) {
  const y = Math.round(x);
  return Math.abs(x % 1) === 0.5 && y % 2 !== 0 ? y - 1 : y;
}

// The error function: its series of positive terms, and for large numbers the continued fraction of 1 - erf
// (Abramowitz and Stegun, 7.1.6 and 7.1.14).
function erf(x) {
  const z = Math.abs(x);
  if (z < 3) {
    let term = x, sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  if (!(z < 6)) return Math.sign(x); // NaN stays
  let below = z;
  for (let n = 60; n > 0; n--) below = z + (0.5 * n) / below;
  return Math.sign(x) * (1 - Math.exp(-z * z) / (below * Math.sqrt(Math.PI)));
}

operations.Cast = ([x], { to }) => {
  const Kind = { 1: Float32Array, 2: Uint8Array, 3: Int8Array, 6: Int32Array, 7: Int32Array, 9: Uint8Array, 11: Float64Array }[to];
  const y = fresh(x.shape, Kind);
  if (to === 9) for (let i = 0; i < x.data.length; i++) y.data[i] = x.data[i] !== 0 ? 1 : 0;
  else y.data.set(x.data);
  return y;
};

// Several.

// The shape of what is computed of all, element by element.
function broadcastShape(...shapes) {
  const rank = Math.max(...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, i) => {
    const lengths = shapes.map((s) => s[i - rank + s.length] ?? 1);
    const n = lengths.find((m) => m !== 1) ?? 1;
    if (lengths.some((m) => m !== 1 && m !== n)) throw new Error(`shapes (${shapes.join("), (")}) do not fit`);
    return n;
  });
}

// By how many elements one step along each axis of `shape` moves in a value: by none where that is repeated.
function stridesIn(value, shape) {
  const strides = new Array(shape.length).fill(0);
  let step = 1;
  for (let i = value.shape.length - 1, k = shape.length - 1; i >= 0; i--, k--) {
    strides[k] = value.shape[i] === 1 ? 0 : step;
    step *= value.shape[i];
  }
  return strides;
}

// Call `row(starts, to, width, steps)` for each row of a shape: where it begins in each of the values that have these
// strides and in the result, its length, and by how many elements each value moves along it.
function eachRow(shape, strides, row) {
  if (count(shape) === 0) return;
  const axes = joined(shape, strides);
  const outer = axes.shape.slice(0, -1), width = axes.shape.at(-1);
  const rows = count(outer), steps = axes.strides.map((s) => s.at(-1));
  const at = outer.map(() => 0), starts = strides.map(() => 0);
  for (let r = 0; r < rows; r++) {
    row(starts, r * width, width, steps);
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      at[axis]++;
      for (let k = 0; k < starts.length; k++) starts[k] += axes.strides[k][axis];
      if (at[axis] < outer[axis]) break;
      for (let k = 0; k < starts.length; k++) starts[k] -= axes.strides[k][axis] * outer[axis];
      at[axis] = 0;
    }
  }
}

// Axes that follow each other without a gap in all values, as one.
function joined(shape, strides) {
  const made = { shape: [1], strides: strides.map(() => [0]) };
  for (let i = shape.length - 1; i >= 0; i--) {
    const n = made.shape[0];
    if (shape[i] === 1) continue;
    if (n === 1 || strides.every((s, k) => s[i] === n * made.strides[k][0])) {
      made.shape[0] *= shape[i];
      if (n === 1) made.strides.forEach((s, k) => { s[0] = strides[k][i]; });
    } else {
      made.shape.unshift(shape[i]);
      made.strides.forEach((s, k) => s.unshift(strides[k][i]));
    }
  }
  return made;
}

// An operation of two numbers.
function binary(f, Kind) {
  const both = (a, b, attributes) => {
    const shape = broadcastShape(a.shape, b.shape);
    const y = fresh(shape, Kind ?? a.data.constructor);
    eachRow(shape, [a, b].map((x) => stridesIn(x, shape)), ([i, j], to, width, [p, q]) => {
      for (let k = 0; k < width; k++) y.data[to + k] = f(a.data[i + k * p], b.data[j + k * q], attributes);
    });
    return y;
  };
  return (values, attributes) => values.slice(1).reduce((a, b) => both(a, b, attributes), values[0]);
}

// An operation that is one of whole numbers, too.
const wholeOr = (whole, other) => ([a, b], attributes) =>
  (a.data instanceof Int32Array ? whole : other)([a, b], attributes);

const compared = (f) => binary((a, b) => (f(a, b) ? 1 : 0), Uint8Array);

Object.assign(operations, {
  Add: binary((a, b) => a + b),
  And: binary((a, b) => a & b),
  Div: wholeOr(binary((a, b) => Math.trunc(a / b)), binary((a, b) => a / b)),
  Equal: compared((a, b) => a === b),
  Greater: compared((a, b) => a > b),
  GreaterOrEqual: compared((a, b) => a >= b),
  Less: compared((a, b) => a < b),
  LessOrEqual: compared((a, b) => a <= b),
  Max: binary((a, b) => Math.max(a, b)), // of a NaN and another number it is NaN
  Min: binary((a, b) => Math.min(a, b)),
  Mod: binary((a, b, { fmod = 0 }) => (fmod ? a % b : ((a % b) + b) % b)),
  Mul: binary((a, b) => a * b),
  Or: binary((a, b) => a | b),
  Pow: binary(power),
  Sub: binary((a, b) => a - b),
  Xor: binary((a, b) => a ^ b),
});

// As C and NumPy have it: 1 to the power of anything is 1.
function power(a, b) {
  return a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b;
}

operations.Where = ([condition, a, b]) => {
  const shape = broadcastShape(condition.shape, a.shape, b.shape);
  const y = fresh(shape, a.data.constructor);
  eachRow(shape, [condition, a, b].map((x) => stridesIn(x, shape)), ([h, i, j], to, width, [p, q, r]) => {
    for (let k = 0; k < width; k++) {
      y.data[to + k] = condition.data[h + k * p] ? a.data[i + k * q] : b.data[j + k * r];
    }
  });
  return y;
};

// Operations that move numbers and compute none: other shapes, orders, parts.
"use strict";

// An axis from the front.
function axisOf(axis, rank) {
  return axis < 0 ? axis + rank : axis;
}

// The lengths of all axes before one, together, and behind it.
function around(shape, axis) {
  return [count(shape.slice(0, axis)), count(shape.slice(axis + 1))];
}

// A place along an axis of that length, from the front. An index from outside of the page may be wrong.
function place(i, length) {
  const k = i < 0 ? i + length : i;
  if (!(k >= 0 && k < length)) throw new Error(`the index ${i} is not one of ${length}: 0 to ${length - 1}`);
  return k;
}

// The elements whose places are those of `shape` in steps of `strides`, from `start` on.
function strided(x, shape, strides, start = 0) {
  const y = fresh(shape, x.data.constructor);
  eachRow(shape, [strides], ([i], to, width, [step]) => {
    for (let k = 0; k < width; k++) y.data[to + k] = x.data[start + i + k * step];
  });
  return y;
}

// By how many elements one step along each axis moves.
function stridesOf(shape) {
  return shape.map((_, i) => count(shape.slice(i + 1)));
}

Object.assign(operations, {
  Reshape([x, wanted]) {
    const shape = Array.from(wanted.data, (n, i) => (n === 0 ? x.shape[i] : n)); // 0: as it is
    const open = shape.indexOf(-1);
    if (open >= 0) shape[open] = count(x.shape) / count(shape.filter((n) => n !== -1));
    if (count(shape) !== x.data.length) throw new Error(`${x.data.length} elements do not make (${shape})`);
    return { data: x.data, shape };
  },
  Unsqueeze([x, axes]) {
    const rank = x.shape.length + axes.data.length;
    const added = new Set(Array.from(axes.data, (axis) => axisOf(axis, rank)));
    const rest = x.shape.values();
    return { data: x.data, shape: Array.from({ length: rank }, (_, i) => (added.has(i) ? 1 : rest.next().value)) };
  },
  Shape([x], { start = 0, end = x.shape.length }) {
    const shape = x.shape.slice(start, end);
    return { data: Int32Array.from(shape), shape: [shape.length] };
  },
  Transpose([x], { perm }) {
    const strides = stridesOf(x.shape);
    return strided(x, perm.map((i) => x.shape[i]), perm.map((i) => strides[i]));
  },
  Expand([x, wanted]) {
    const shape = broadcastShape(x.shape, [...wanted.data]);
    return strided(x, shape, stridesIn(x, shape));
  },
  Slice([x, starts, ends, axes, steps]) {
    const shape = [...x.shape], strides = stridesOf(x.shape);
    let first = 0;
    starts.data.forEach((_, k) => {
      const axis = axisOf(axes ? axes.data[k] : k, shape.length), n = x.shape[axis], step = steps ? steps.data[k] : 1;
      const within = (i) => Math.min(Math.max(i < 0 ? i + n : i, step < 0 ? -1 : 0), step < 0 ? n - 1 : n);
      const start = within(starts.data[k]), end = within(ends.data[k]);
      shape[axis] = Math.max(Math.ceil((end - start) / step), 0);
      first += start * strides[axis];
      strides[axis] *= step;
    });
    return strided(x, shape, strides, first);
  },
  Concat(values, { axis }) {
    const at = axisOf(axis, values[0].shape.length);
    const shape = [...values[0].shape];
    shape[at] = values.reduce((sum, x) => sum + x.shape[at], 0);
    const y = fresh(shape, values[0].data.constructor);
    const [outer, inner] = around(shape, at);
    let begin = 0;
    for (const x of values) {
      const size = x.shape[at] * inner;
      for (let i = 0; i < outer; i++) {
        y.data.set(x.data.subarray(i * size, (i + 1) * size), i * shape[at] * inner + begin);
      }
      begin += size;
    }
    return y;
  },
  Pad([x, amounts, value]) {
    const rank = x.shape.length;
    const before = [...amounts.data.slice(0, rank)], shape = x.shape.map((n, i) => n + before[i] + amounts.data[rank + i]);
    const y = fresh(shape, x.data.constructor);
    y.data.fill(value ? value.data[0] : 0);
    const strides = stridesOf(shape), first = before.reduce((sum, n, i) => sum + n * strides[i], 0);
    eachRow(x.shape, [strides], ([to], from, width) => {
      for (let k = 0; k < width; k++) y.data[first + to + k] = x.data[from + k];
    });
    return y;
  },

  // Places that are numbers of a value.

  Gather([x, places], { axis = 0 }) {
    const at = axisOf(axis, x.shape.length), length = x.shape[at];
    const [outer, inner] = around(x.shape, at);
    const y = fresh([...x.shape.slice(0, at), ...places.shape, ...x.shape.slice(at + 1)], x.data.constructor);
    let to = 0;
    for (let i = 0; i < outer; i++) {
      for (const p of places.data) {
        const from = (i * length + place(p, length)) * inner;
        y.data.set(x.data.subarray(from, from + inner), to);
        to += inner;
      }
    }
    return y;
  },
  GatherND([x, places]) {
    const depth = places.shape.at(-1), strides = stridesOf(x.shape);
    const inner = count(x.shape.slice(depth)), n = count(places.shape.slice(0, -1));
    const y = fresh([...places.shape.slice(0, -1), ...x.shape.slice(depth)], x.data.constructor);
    for (let i = 0; i < n; i++) {
      let from = 0;
      for (let k = 0; k < depth; k++) from += place(places.data[i * depth + k], x.shape[k]) * strides[k];
      y.data.set(x.data.subarray(from, from + inner), i * inner);
    }
    return y;
  },
  GatherElements([x, places], { axis = 0 }) {
    const y = fresh(places.shape, x.data.constructor);
    eachPlace(x, places, axis, (from, i) => { y.data[i] = x.data[from]; });
    return y;
  },
  ScatterElements([x, places, values], { axis = 0, reduction = "none" }) {
    const y = fresh(x.shape, x.data.constructor);
    y.data.set(x.data);
    const add = reduction === "add";
    eachPlace(x, places, axis, (to, i) => { y.data[to] = add ? y.data[to] + values.data[i] : values.data[i]; });
    return y;
  },
});

// Call `each(which element of x, which of the places)`: places stand for one axis, the others stay.
function eachPlace(x, places, axis, each) {
  const at = axisOf(axis, x.shape.length), strides = stridesOf(x.shape), step = strides[at];
  const others = strides.map((s, i) => (i === at ? 0 : s));
  eachRow(places.shape, [others], ([start], i, width, [other]) => {
    for (let k = 0; k < width; k++) each(start + k * other + place(places.data[i + k], x.shape[at]) * step, i + k);
  });
}

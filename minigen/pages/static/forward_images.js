// Operations of images that need no weights: pooling and resizing.
"use strict";

// The windows of pooling: `f(start of the plane, rows from, to, columns from, to, whole window)` of each.
function pooled(x, { kernel_shape: kernel, strides = [1, 1], pads = [0, 0, 0, 0] }, f) {
  const [n, channels, height, width] = x.shape;
  const [outHeight, outWidth] = [height, width].map(
    (size, i) => Math.floor((size + pads[i] + pads[i + 2] - kernel[i]) / strides[i]) + 1,
  );
  let to = 0;
  for (let plane = 0; plane < n * channels; plane++) {
    for (let i = 0; i < outHeight; i++) {
      const top = i * strides[0] - pads[0];
      for (let j = 0; j < outWidth; j++) {
        const left = j * strides[1] - pads[1];
        f(to++, plane * height * width, Math.max(top, 0), Math.min(top + kernel[0], height),
          Math.max(left, 0), Math.min(left + kernel[1], width), width);
      }
    }
  }
  return [n, channels, outHeight, outWidth];
}

// The shape that pooling makes.
function pooledShape(x, { kernel_shape: kernel, strides = [1, 1], pads = [0, 0, 0, 0] }) {
  return [...x.shape.slice(0, 2), ...x.shape.slice(2).map(
    (size, i) => Math.floor((size + pads[i] + pads[i + 2] - kernel[i]) / strides[i]) + 1,
  )];
}

Object.assign(operations, {
  MaxPool([x], attributes) {
    const y = fresh(pooledShape(x, attributes), x.data.constructor);
    const places = fresh(y.shape, Int32Array);
    pooled(x, attributes, (to, plane, top, bottom, left, right, width) => {
      let at = plane + top * width + left;
      for (let i = top; i < bottom; i++) {
        for (let k = plane + i * width + left; k < plane + i * width + right; k++) {
          if (x.data[k] > x.data[at] || (x.data[k] !== x.data[k] && x.data[at] === x.data[at])) at = k; // NaN wins
        }
      }
      y.data[to] = x.data[at];
      places.data[to] = at;
    });
    return [y, places];
  },
  AveragePool([x], attributes) {
    const { kernel_shape: kernel, count_include_pad: counted = 0 } = attributes;
    const y = fresh(pooledShape(x, attributes), x.data.constructor);
    pooled(x, attributes, (to, plane, top, bottom, left, right, width) => {
      let total = 0;
      for (let i = top; i < bottom; i++) total += sum(x.data, plane + i * width + left, right - left);
      y.data[to] = total / (counted ? count(kernel) : (bottom - top) * (right - left));
    });
    return y;
  },
  // By whole factors: nearest, where a pixel becomes a tile, and linear, where tiles keep their outer edges.
  Resize([x, , scales], { mode, coordinate_transformation_mode: placed }) {
    if (!(mode === "nearest" && placed === "asymmetric") && !(mode === "linear" && placed === "half_pixel")) {
      throw new Error(`it is made for nearest, asymmetric and linear, half_pixel; got ${mode}, ${placed}`);
    }
    const [n, channels, height, width] = x.shape, [fy, fx] = scales.data.slice(2);
    const [rows, cols] = [[height, fy], [width, fx]].map(([size, f]) => ways(size, f, mode));
    const y = fresh([n, channels, rows.length, cols.length], x.data.constructor);
    let to = 0;
    for (let plane = 0; plane < n * channels; plane++) {
      if (mode === "nearest") {
        for (const [i] of rows) for (const [j] of cols) y.data[to++] = x.data[(plane * height + i) * width + j];
        continue;
      }
      for (const [i0, i1, p] of rows) {
        const a = (plane * height + i0) * width, b = (plane * height + i1) * width;
        for (const [j0, j1, q] of cols) {
          const first = x.data[a + j0] * (1 - q) + x.data[a + j1] * q;
          const second = x.data[b + j0] * (1 - q) + x.data[b + j1] * q;
          y.data[to++] = first * (1 - p) + second * p;
        }
      }
    }
    return y;
  },
});

// For each new pixel along an axis: the two old ones that it lies between, and how far it is on the way.
function ways(size, factor, mode) {
  return Array.from({ length: Math.floor(size * factor) }, (_, i) => {
    if (mode === "nearest") return [Math.floor(i / factor)];
    const at = Math.min(Math.max((i + 0.5) / factor - 0.5, 0), size - 1), low = Math.floor(at);
    return [low, Math.min(low + 1, size - 1), at - low];
  });
}

// Matrix products and what is made of them: dense layers, convolutions, transposed convolutions.
//
// A convolution writes the windows of an image side by side, as columns, and multiplies them by the weights (Chellapilla
// et al. 2006); a transposed one multiplies the image and adds up the columns.
"use strict";

// y (m, n) += a (m, k) b (k, n), in parts of arrays. Four rows of b at a time, so that y is read and written less.
function product(m, n, k, a, aStart, b, bStart, y, yStart) {
  for (let i = 0; i < m; i++) {
    const row = yStart + i * n, left = aStart + i * k;
    let p = 0;
    for (; p + 4 <= k; p += 4) {
      const a0 = a[left + p], a1 = a[left + p + 1], a2 = a[left + p + 2], a3 = a[left + p + 3];
      const b0 = bStart + p * n, b1 = b0 + n, b2 = b1 + n, b3 = b2 + n;
      for (let j = 0; j < n; j++) y[row + j] += a0 * b[b0 + j] + a1 * b[b1 + j] + a2 * b[b2 + j] + a3 * b[b3 + j];
    }
    for (; p < k; p++) {
      const a0 = a[left + p], b0 = bStart + p * n;
      for (let j = 0; j < n; j++) y[row + j] += a0 * b[b0 + j];
    }
  }
}

// The transposed matrix; that of weights is made once.
const transposedWeights = new WeakMap();
function transposed(x) {
  if (transposedWeights.has(x)) return transposedWeights.get(x);
  const [rows, columns] = x.shape;
  const y = { data: new x.data.constructor(x.data.length), shape: [columns, rows] };
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) y.data[j * rows + i] = x.data[i * columns + j];
  if (x.constant) transposedWeights.set(x, y);
  return y;
}

Object.assign(operations, {
  Gemm([a, b, c], { alpha = 1, beta = 1, transA = 0, transB = 0 }) {
    const left = transA ? transposed(a) : a, right = transB ? transposed(b) : b;
    const [m, k] = left.shape, n = right.shape[1];
    const y = zeros([m, n], a.data.constructor);
    product(m, n, k, left.data, 0, right.data, 0, y.data, 0);
    if (alpha !== 1) for (let i = 0; i < m * n; i++) y.data[i] *= alpha;
    if (!c) return y;
    const scaled = beta === 1 ? c : operations.Mul([c, { data: Float64Array.of(beta), shape: [] }], {});
    return operations.Add([y, scaled], {});
  },
  MatMul([a, b]) {
    const one = a.shape.length === 1, other = b.shape.length === 1; // vectors are matrices of one row, one column
    const aShape = one ? [1, ...a.shape] : a.shape, bShape = other ? [...b.shape, 1] : b.shape;
    const [m, k] = aShape.slice(-2), n = bShape.at(-1);
    const batch = broadcastShape(aShape.slice(0, -2), bShape.slice(0, -2));
    const y = zeros([...batch, m, n], a.data.constructor);
    const strides = [[aShape, m * k], [bShape, k * n]].map(([shape, size]) =>
      [...stridesIn({ shape: shape.slice(0, -2) }, batch).map((s) => s * size), 0]);
    if (y.data.length > 0) eachRow([...batch, m * n], strides, ([i, j], to) => {
      product(m, n, k, a.data, i, b.data, j, y.data, to);
    });
    const shape = [...batch, ...(one ? [] : [m]), ...(other ? [] : [n])];
    return { data: y.data, shape };
  },
});

// The geometry of a convolution from an image of (height, width) to one of (outHeight, outWidth).
function columns(image, start, channels, g, made) {
  const { height, width, outHeight, outWidth, kernel, strides, dilations, pads } = g;
  let to = 0;
  for (let c = 0; c < channels; c++) {
    for (let u = 0; u < kernel[0]; u++) {
      for (let v = 0; v < kernel[1]; v++) {
        for (let i = 0; i < outHeight; i++) {
          const y = i * strides[0] + u * dilations[0] - pads[0];
          const row = start + (c * height + y) * width;
          let x = v * dilations[1] - pads[1];
          if (y < 0 || y >= height) {
            made.fill(0, to, to + outWidth);
            to += outWidth;
            continue;
          }
          for (let j = 0; j < outWidth; j++, x += strides[1]) made[to++] = x >= 0 && x < width ? image[row + x] : 0;
        }
      }
    }
  }
}

// The other way: each number of the columns is added to the pixel that it came from.
function addColumns(cols, channels, g, image, start) {
  const { height, width, outHeight, outWidth, kernel, strides, dilations, pads } = g;
  let from = 0;
  for (let c = 0; c < channels; c++) {
    for (let u = 0; u < kernel[0]; u++) {
      for (let v = 0; v < kernel[1]; v++) {
        for (let i = 0; i < outHeight; i++) {
          const y = i * strides[0] + u * dilations[0] - pads[0];
          const row = start + (c * height + y) * width;
          let x = v * dilations[1] - pads[1];
          if (y < 0 || y >= height) {
            from += outWidth;
            continue;
          }
          for (let j = 0; j < outWidth; j++, x += strides[1], from++) if (x >= 0 && x < width) image[row + x] += cols[from];
        }
      }
    }
  }
}

// Fill each channel of images (n, channels, size) with its bias, or 0.
function fillBias(y, n, channels, size, bias) {
  for (let i = 0; i < n * channels; i++) y.fill(bias ? bias[i % channels] : 0, i * size, (i + 1) * size);
}

function geometry(attributes, kernel, height, width, outHeight, outWidth) {
  const { strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0] } = attributes;
  return { height, width, outHeight, outWidth, kernel, strides, dilations, pads };
}

Object.assign(operations, {
  Conv([x, w, b], attributes) {
    const { group = 1, strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0] } = attributes;
    const [n, channels, height, width] = x.shape, [outChannels, inner] = w.shape, kernel = w.shape.slice(2);
    const [outHeight, outWidth] = [height, width].map(
      (size, i) => Math.floor((size + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) / strides[i]) + 1,
    );
    const g = geometry(attributes, kernel, height, width, outHeight, outWidth);
    const k = inner * count(kernel), places = outHeight * outWidth, m = outChannels / group;
    const y = fresh([n, outChannels, outHeight, outWidth], x.data.constructor);
    fillBias(y.data, n, outChannels, places, b?.data);
    const pointwise = places === height * width && count(kernel) === 1 && pads.every((p) => p === 0);
    const cols = pointwise ? x : fresh([k, places], x.data.constructor);
    for (let i = 0; i < n; i++) {
      for (let group_ = 0; group_ < group; group_++) {
        const from = (i * channels + group_ * inner) * height * width;
        if (!pointwise) columns(x.data, from, inner, g, cols.data);
        product(
          m, places, k, w.data, group_ * m * k, cols.data, pointwise ? from : 0,
          y.data, (i * outChannels + group_ * m) * places,
        );
      }
    }
    if (!pointwise) recycle(cols);
    return y;
  },
  ConvTranspose([x, w, b], attributes) {
    const {
      group = 1, strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0], output_padding: more = [0, 0],
    } = attributes;
    const [n, channels, height, width] = x.shape, outInner = w.shape[1], kernel = w.shape.slice(2);
    const [outHeight, outWidth] = [height, width].map(
      (size, i) => (size - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 - pads[i] - pads[i + 2] + more[i],
    );
    const g = geometry(attributes, kernel, outHeight, outWidth, height, width); // of the convolution it turns round
    const k = channels / group, places = height * width, m = outInner * count(kernel);
    const y = fresh([n, outInner * group, outHeight, outWidth], x.data.constructor);
    fillBias(y.data, n, outInner * group, outHeight * outWidth, b?.data);
    const cols = fresh([m, places], x.data.constructor);
    const parts = groupsTransposed(w, group);
    for (let i = 0; i < n; i++) {
      for (let group_ = 0; group_ < group; group_++) {
        cols.data.fill(0);
        product(m, places, k, parts.data, group_ * m * k, x.data, (i * channels + group_ * k) * places, cols.data, 0);
        addColumns(cols.data, outInner, g, y.data, (i * group + group_) * outInner * outHeight * outWidth);
      }
    }
    recycle(cols);
    return y;
  },
});

// The weights (channels, out, ...) of each group as a matrix (out ..., channels), one behind the other.
const groupsOfWeights = new WeakMap();
function groupsTransposed(w, group) {
  if (groupsOfWeights.has(w)) return groupsOfWeights.get(w);
  const k = w.shape[0] / group, m = count(w.shape.slice(1));
  const made = operations.Transpose([{ data: w.data, shape: [group, k, m] }], { perm: [0, 2, 1] });
  if (w.constant) groupsOfWeights.set(w, made);
  return made;
}

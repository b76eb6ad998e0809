// Matrix products and what is made of them: dense layers, convolutions, transposed convolutions.
//
// A convolution writes the windows of an image side by side, as columns, and multiplies the weights by them
// (Chellapilla et al. 2006); a transposed one multiplies the image by the weights, and adds the columns to an image.
"use strict";

// Numbers of a value, from one place on, as a matrix; `turned`: they are its transpose, row by row. That of weights is
// made once, before those that do not last.
function matrixOf(value, rows, columns, from = 0, turned = false) {
  const key = `${from},${turned}`;
  if (value.matrices?.[key]) return value.matrices[key];
  const made = memory.matrix(rows, columns, value.constant);
  if (turned) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) memory.numbers[made.start + i * made.stride + j] = value.data[from + j * rows + i];
    }
  } else {
    memory.write(made, value.data, from);
  }
  if (value.constant) (value.matrices ??= {})[key] = made;
  return made;
}

// y += a b: numbers of values, from places on; y (m, n), a (m, k) or turned, b (k, n) or turned.
function addProduct([m, n, k], a, b, y, { fromA = 0, fromB = 0, toY = 0, turnedA = false, turnedB = false }) {
  if (!(y instanceof Float32Array)) { // rare: other kinds of numbers
    const plain = (x, columns, start) => ({ start, stride: columns });
    const [left, right] = [turnedA ? transposed(a) : a, turnedB ? transposed(b) : b];
    product(m, n, k, left.data, plain(left, k, fromA), right.data, plain(right, n, fromB), y, plain(y, n, toY));
    return;
  }
  const left = () => matrixOf(a, m, k, fromA, turnedA);
  const first = a.constant ? left() : undefined;
  const right = matrixOf(b, k, n, fromB, turnedB);
  const sums = memory.matrix(m, n);
  const factor = first ?? left();
  memory.write(sums, y, toY);
  multiply(factor, right, sums);
  memory.read(sums, y, toY);
  memory.free();
}

function transposed({ data, shape }) {
  return operations.Transpose([{ data, shape }], { perm: [1, 0] });
}

Object.assign(operations, {
  Gemm([a, b, c], { alpha = 1, beta = 1, transA = 0, transB = 0 }) {
    const [m, k] = transA ? [...a.shape].reverse() : a.shape, n = b.shape[transB ? 0 : 1];
    if (alpha !== 1 || beta !== 1) throw new Error("it is made for alpha and beta of 1");
    const y = c ? operations.Expand([c, { data: [m, n] }]) : zeros([m, n], a.data.constructor);
    addProduct([m, n, k], a, b, y.data, { turnedA: transA === 1, turnedB: transB === 1 });
    return y;
  },
  MatMul([a, b]) {
    const row = a.shape.length === 1, column = b.shape.length === 1; // vectors are matrices of one row, one column
    const aShape = row ? [1, ...a.shape] : a.shape, bShape = column ? [...b.shape, 1] : b.shape;
    const [m, k] = aShape.slice(-2), n = bShape.at(-1);
    const batch = broadcastShape(aShape.slice(0, -2), bShape.slice(0, -2));
    const y = zeros([...batch, ...(row ? [] : [m]), ...(column ? [] : [n])], a.data.constructor);
    const strides = [aShape, bShape].map((shape) => stridesIn({ shape: shape.slice(0, -2) }, batch));
    eachRow(batch, strides, ([i, j], to, width, [p, q]) => {
      for (let r = 0; r < width; r++) {
        addProduct([m, n, k], a, b, y.data, { fromA: (i + r * p) * m * k, fromB: (j + r * q) * k * n, toY: (to + r) * m * n });
      }
    });
    return y;
  },
  Conv([x, w, b], attributes) {
    const { group = 1, strides, dilations, pads } = attributes;
    const [n, channels, height, width] = x.shape, [outChannels, inner] = w.shape, kernel = w.shape.slice(2);
    const [outHeight, outWidth] = [height, width].map(
      (size, i) => Math.floor((size + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) / strides[i]) + 1,
    );
    const geometry = { height, width, outHeight, outWidth, kernel, strides, dilations, pads };
    const k = inner * count(kernel), places = outHeight * outWidth, m = outChannels / group;
    const y = fresh([n, outChannels, outHeight, outWidth]);
    const weights = Array.from({ length: group }, (_, i) => matrixOf(w, m, k, i * m * k));
    const windows = memory.matrix(k, places), sums = memory.matrix(m, places);
    for (let i = 0; i < n * group; i++) {
      const g = i % group;
      takeColumns(x.data, i * inner * height * width, inner, geometry, windows);
      fillRows(sums, b?.data, g * m);
      multiply(weights[g], windows, sums);
      memory.read(sums, y.data, i * m * places);
    }
    memory.free();
    return y;
  },
  ConvTranspose([x, w, b], attributes) {
    const { group = 1, strides, dilations, pads, output_padding: more = [0, 0] } = attributes;
    const [n, channels, height, width] = x.shape, inner = w.shape[1], kernel = w.shape.slice(2);
    const [outHeight, outWidth] = [height, width].map(
      (size, i) => (size - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 - pads[i] - pads[i + 2] + more[i],
    );
    // Of the convolution that it is the transpose of.
    const geometry = {
      height: outHeight, width: outWidth, outHeight: height, outWidth: width, kernel, strides, dilations, pads,
    };
    const k = channels / group, places = height * width, m = inner * count(kernel), size = outHeight * outWidth;
    const y = fresh([n, inner * group, outHeight, outWidth]);
    const weights = Array.from({ length: group }, (_, i) => matrixOf(w, m, k, i * m * k, true));
    const image = memory.matrix(k, places), windows = memory.matrix(m, places);
    for (let i = 0; i < n * group; i++) {
      const g = i % group;
      memory.write(image, x.data, i * k * places);
      fillRows(windows);
      multiply(weights[g], image, windows);
      for (let c = 0, to = i * inner * size; c < inner; c++, to += size) {
        y.data.fill(b ? b.data[g * inner + c] : 0, to, to + size);
      }
      addColumns(windows, inner, geometry, y.data, i * inner * size);
    }
    memory.free();
    return y;
  },
});

// The numbers of each row are that of a vector, or 0.
function fillRows({ start, rows, stride }, vector, from = 0) {
  for (let i = 0; i < rows; i++) memory.numbers.fill(vector ? vector[from + i] : 0, start + i * stride, start + (i + 1) * stride);
}

// Call `row(first pixel, first number of the matrix, begin, end)` for each channel, place in the kernel and row of the
// result: pixels from `begin` to `end` lie in the image, the others outside.
function eachWindowRow(channels, geometry, matrix, row) {
  const { height, width, outHeight, outWidth, kernel, strides, dilations, pads } = geometry;
  for (let c = 0, r = 0; c < channels; c++) {
    for (let u = 0; u < kernel[0]; u++) {
      for (let v = 0; v < kernel[1]; v++, r++) {
        const left = v * dilations[1] - pads[1];
        const begin = Math.min(Math.max(Math.ceil(-left / strides[1]), 0), outWidth);
        const end = Math.max(Math.min(Math.ceil((width - left) / strides[1]), outWidth), begin);
        for (let i = 0; i < outHeight; i++) {
          const top = i * strides[0] + u * dilations[0] - pads[0];
          const to = matrix.start + r * matrix.stride + i * outWidth;
          const outside = top < 0 || top >= height;
          row((c * height + top) * width + left, to, outside ? outWidth : begin, outside ? outWidth : end);
        }
      }
    }
  }
}

// The windows of an image as columns of a matrix: one row for each channel and place in the kernel.
function takeColumns(image, start, channels, geometry, matrix) {
  const made = memory.numbers, step = geometry.strides[1], { outWidth } = geometry;
  eachWindowRow(channels, geometry, matrix, (pixel, to, begin, end) => {
    for (let j = 0; j < begin; j++) made[to + j] = 0;
    for (let j = begin; j < end; j++) made[to + j] = image[start + pixel + j * step];
    for (let j = end; j < outWidth; j++) made[to + j] = 0;
  });
}

// The other way: each number of the columns is added to the pixel that it stands for.
function addColumns(matrix, channels, geometry, image, start) {
  const given = memory.numbers, step = geometry.strides[1];
  eachWindowRow(channels, geometry, matrix, (pixel, from, begin, end) => {
    for (let j = begin; j < end; j++) image[start + pixel + j * step] += given[from + j];
  });
}

// Products of matrices of float32. All matrices lie in one memory, which WebAssembly works on; where a browser has no
// SIMD in WebAssembly, the same is done in JavaScript.
//
// A matrix is {start, rows, columns, stride}: the place of its first number, and from row to row a multiple of 4 numbers.
"use strict";

const PAGE = 65536; // bytes
const TILES = [[4, 2], [4, 1], [1, 8], [1, 2], [1, 1]]; // rows and vectors of 4 columns

const memory = {
  numbers: new Float32Array(0), // all of it; another array after each `matrix`
  kernels: null, // by `rows,vectors`
  top: 0, // numbers below are those of weights

  start() {
    try {
      this.wasm = new WebAssembly.Memory({ initial: 16 });
      this.kernels = new Map(kernels(TILES, this.wasm).map((kernel, i) => [TILES[i].join(), kernel]));
      this.numbers = new Float32Array(this.wasm.buffer);
    } catch {
      this.wasm = null;
    }
    this.started = true;
  },

  // A matrix whose numbers are left to be written. It lasts until `free`, that of weights (`lasting`) always.
  matrix(rows, columns, lasting = false) {
    if (!this.started) this.start();
    if (lasting && this.end !== undefined) throw new Error("weights lie below matrices that do not last");
    const stride = Math.ceil(columns / 4) * 4;
    const start = lasting ? this.top : this.end ?? this.top;
    const end = start + rows * stride;
    if (end > this.numbers.length) this.grow(end);
    if (lasting) this.top = end;
    else this.end = end;
    return { start, rows, columns, stride };
  },

  // All matrices but those of weights are done with.
  free() {
    this.end = undefined;
  },

  grow(length) {
    const bytes = Math.ceil(1.25 * length) * 4;
    if (this.wasm) {
      this.wasm.grow(Math.ceil((bytes - this.wasm.buffer.byteLength) / PAGE));
      this.numbers = new Float32Array(this.wasm.buffer);
    } else {
      const before = this.numbers;
      this.numbers = new Float32Array(bytes / 4);
      this.numbers.set(before);
    }
  },

  // Copy rows in, and out.
  write({ start, rows, columns, stride }, data, from = 0) {
    for (let i = 0; i < rows; i++) {
      this.numbers.set(data.subarray(from + i * columns, from + (i + 1) * columns), start + i * stride);
    }
  },
  read({ start, rows, columns, stride }, data, to = 0) {
    for (let i = 0; i < rows; i++) {
      data.set(this.numbers.subarray(start + i * stride, start + i * stride + columns), to + i * columns);
    }
  },
};

// y += a b
function multiply(a, b, y) {
  if (!a.columns) return;
  if (!memory.kernels) {
    product(a.rows, b.columns, a.columns, memory.numbers, a, memory.numbers, b, memory.numbers, y);
    return;
  }
  let i = 0;
  for (; i + 4 <= a.rows; i += 4) tiles(4, i, a, b, y);
  for (; i < a.rows; i++) tiles(1, i, a, b, y);
}

// So many rows of y, from row i on.
function tiles(rows, i, a, b, y) {
  const fourth = b.stride / 4; // columns, in vectors
  const address = ({ start, stride }, row, vector) => 4 * (start + row * stride) + 16 * vector;
  let v = 0;
  for (const [r, width] of TILES) {
    if (r !== rows) continue;
    const kernel = memory.kernels.get(`${r},${width}`);
    for (; v + width <= fourth; v += width) {
      kernel(address(a, i, 0), address(b, 0, v), address(y, i, v), a.columns, 4 * a.stride, 4 * b.stride, 4 * y.stride);
    }
  }
}

// The same in JavaScript, of matrices in arrays of any kind. Four rows of b at a time: y is read and written less often.
function product(m, n, k, a, { start: aStart, stride: aStep }, b, { start: bStart, stride: bStep }, y, { start: yStart, stride: yStep }) {
  for (let i = 0; i < m; i++) {
    const row = yStart + i * yStep, left = aStart + i * aStep;
    let p = 0;
    for (; p + 4 <= k; p += 4) {
      const a0 = a[left + p], a1 = a[left + p + 1], a2 = a[left + p + 2], a3 = a[left + p + 3];
      const b0 = bStart + p * bStep, b1 = b0 + bStep, b2 = b1 + bStep, b3 = b2 + bStep;
      for (let j = 0; j < n; j++) y[row + j] += a0 * b[b0 + j] + a1 * b[b1 + j] + a2 * b[b2 + j] + a3 * b[b3 + j];
    }
    for (; p < k; p++) {
      const a0 = a[left + p], b0 = bStart + p * bStep;
      for (let j = 0; j < n; j++) y[row + j] += a0 * b[b0 + j];
    }
  }
}

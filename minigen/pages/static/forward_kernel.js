// A part of a matrix product in WebAssembly: so many rows and columns at once as the processor has registers for.
//
// The module is written here instruction by instruction, as the bytes of its binary format
// (https://webassembly.github.io/spec/core/binary/). A kernel adds to `rows` rows and 4 * `vectors` columns of y the
// product of so many rows of a and columns of b:
//
//   kernel(a, b, y, k, stepA, stepB, stepY)      addresses, the length of a row of a (at least 1), bytes from row to row
"use strict";

const I32 = 0x7f, V128 = 0x7b;
const get = (local) => [0x20, local];
const set = (local) => [0x21, local];
const ADD = 0x6a, SUB = 0x6b; // i32
const number = (n) => [0x41, n]; // i32.const of 0 to 63
const LOOP = [0x03, 0x40], AGAIN_IF = [0x0d, 0], END = 0x0b;
const simd = (...code) => [0xfd, ...code];
const LOAD = (offset) => simd(0x00, 2, offset), SPLAT = simd(0x09, 2, 0), STORE = (offset) => simd(0x0b, 2, offset);
const F32X4_ADD = simd(0xe4, 1), F32X4_MUL = simd(0xe6, 1);

// The code of one kernel, with the numbers of its locals: parameters first.
function kernelCode(rows, vectors) {
  const [a, b, y, k, stepA, stepB, stepY] = [0, 1, 2, 3, 4, 5, 6];
  let next = 7;
  const locals = (n) => Array.from({ length: n }, () => next++);
  const inA = [a, ...locals(rows - 1)], inY = [y, ...locals(rows - 1)]; // where each row is
  const sums = inA.map(() => locals(vectors)), columns = locals(vectors), one = locals(1)[0];
  const below = (pointers, step) => pointers.slice(1).map((p, r) => [get(pointers[r]), get(step), ADD, set(p)]);
  const each = (f) => inA.map((_, r) => columns.map((__, v) => f(r, v)));
  const body = [
    below(inA, stepA), below(inY, stepY),
    each((r, v) => [get(inY[r]), LOAD(16 * v), set(sums[r][v])]),
    LOOP,
    columns.map((c, v) => [get(b), LOAD(16 * v), set(c)]),
    inA.map((p, r) => [
      get(p), SPLAT, set(one),
      columns.map((c, v) => [get(sums[r][v]), get(one), get(c), F32X4_MUL, F32X4_ADD, set(sums[r][v])]),
      get(p), number(4), ADD, set(p),
    ]),
    get(b), get(stepB), ADD, set(b),
    get(k), number(1), SUB, set(k),
    get(k), AGAIN_IF, END,
    each((r, v) => [get(inY[r]), get(sums[r][v]), STORE(16 * v)]),
    END,
  ];
  const counts = [[2 * (rows - 1), I32], [(rows + 1) * vectors + 1, V128]];
  return sized([counts.length, counts, body].flat(Infinity));
}

// Unsigned numbers of any size (LEB128), and bytes with their number before them.
const unsigned = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...unsigned(n >>> 7)]);
const sized = (bytes) => [...unsigned(bytes.length), ...bytes];
const named = (text) => sized([...text].map((letter) => letter.charCodeAt(0)));

// The kernels for these [rows, vectors], working on `memory`: functions in a list. Throws where there is no SIMD.
function kernels(shapes, memory) {
  const section = (id, ...parts) => [id, ...sized(parts.flat(Infinity))];
  const bytes = Uint8Array.of(
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // "\0asm", version 1
    ...section(1, 1, 0x60, sized(new Array(7).fill(I32)), 0), // one type of function
    ...section(2, 1, named("page"), named("memory"), 0x02, 0, 1), // imported
    ...section(3, shapes.length, shapes.map(() => 0)),
    ...section(7, shapes.length, shapes.map((_, i) => [named(`kernel${i}`), 0, i])),
    ...section(10, shapes.length, shapes.map(([rows, vectors]) => kernelCode(rows, vectors))),
  );
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { page: { memory } });
  return shapes.map((_, i) => exports[`kernel${i}`]);
}

// The forward pass of a network in plain JavaScript: it computes the programs that minigen/onnx/program.py writes.
//
// A value is {data, shape}: numbers of a typed array, the last axis fastest. An operation is a function of a list of
// values and of the attributes of ONNX (https://onnx.ai/onnx/operators/), which returns a value, or a list of them.
// This file runs the operations in their order; the files forward_*.js have them. It knows no page, so that it runs in
// a worker (engine_local.js).
"use strict";

const operations = {};

const ARRAYS = {
  float32: Float32Array, float64: Float64Array, int64: Int32Array, int32: Int32Array, int8: Int8Array,
  uint8: Uint8Array, bool: Uint8Array,
};

// How many elements a shape has.
function count(shape) {
  return shape.reduce((product, n) => product * n, 1);
}

// Memory that a value no longer needs serves the next one of that size: by number of bytes.
const spare = new Map();

// A value of that shape, whose numbers are left to be written.
function fresh(shape, Kind = Float32Array) {
  const length = count(shape);
  const buffer = spare.get(length * Kind.BYTES_PER_ELEMENT)?.pop();
  return { data: buffer ? new Kind(buffer) : new Kind(length), shape };
}

// A value of that shape, full of zeros.
function zeros(shape, Kind) {
  const made = fresh(shape, Kind);
  made.data.fill(0);
  return made;
}

// The memory of a value that nothing needs any more.
function recycle({ data }) {
  const { buffer } = data;
  if (!spare.has(buffer.byteLength)) spare.set(buffer.byteLength, []);
  spare.get(buffer.byteLength).push(buffer);
}

class Network {
  // `program` is what minigen/onnx/program.py made, read from JSON.
  constructor(program) {
    this.program = program;
    this.weights = new Map(Object.entries(program.weights).map(([name, about]) => [name, numbersOf(about)]));
    this.kept = new Set([...this.weights.values()].map((value) => value.data.buffer));
    this.lastUses = lastUses(program);
    this.sizes = "";
  }

  // Values by the name of each input to values by the name of each output.
  run(inputs) {
    memory.free(); // where the run before this one failed
    const values = new Map(this.weights);
    for (const about of this.program.inputs) values.set(about.name, checked(about, inputs[about.name]));
    const given = this.program.inputs.map(({ name }) => values.get(name));
    const sizes = given.map(({ shape }) => shape).join();
    if (sizes !== this.sizes) spare.clear(); // buffers of other sizes are of no use
    this.sizes = sizes;
    const users = new Map(); // how many values lie in a buffer
    const kept = new Set([...this.kept, ...given.map(({ data }) => data.buffer)]);
    this.program.operations.forEach((operation, i) => {
      const made = computed(operation, operation.inputs.map((name) => values.get(name)));
      operation.outputs.forEach((name, k) => {
        values.set(name, made[k]);
        const { buffer } = made[k].data;
        users.set(buffer, (users.get(buffer) ?? 0) + 1);
      });
      for (const name of this.lastUses[i]) {
        const value = values.get(name), { buffer } = value.data;
        values.delete(name);
        users.set(buffer, (users.get(buffer) ?? 0) - 1);
        if (users.get(buffer) <= 0 && !kept.has(buffer)) recycle(value);
      }
    });
    const outputs = {};
    for (const { name } of this.program.outputs) {
      const { data, shape } = values.get(name);
      outputs[name] = { data: kept.has(data.buffer) ? data.slice() : data, shape };
      kept.add(data.buffer); // no two outputs share their numbers
    }
    return outputs;
  }
}

function computed(operation, values) {
  const { op, attributes, layer } = operation;
  try {
    if (!(op in operations)) throw new Error("this page has no such operation");
    const made = operations[op](values, attributes);
    return Array.isArray(made) ? made : [made];
  } catch (error) {
    throw new Error(`${op}${layer ? ` in the layer '${layer}'` : ""}: ${error.message}`, { cause: error });
  }
}

// For each operation the names that no later one needs, those of outputs of the program not among them.
function lastUses(program) {
  const seen = new Set(program.outputs.map(({ name }) => name));
  return program.operations.map(({ inputs, outputs }) => [...inputs, ...outputs]).reverse().map((names) => {
    const last = [...new Set(names)].filter((name) => name && !seen.has(name) && !(name in program.weights));
    last.forEach((name) => seen.add(name));
    return last;
  }).reverse();
}

// An input as the program wants it.
function checked({ name, dtype, shape }, value) {
  const wanted = `(${shape.join(", ")})`;
  if (!value) throw new Error(`the input '${name}' ${wanted} is missing`);
  const fits = shape.length === value.shape.length && shape.every((n, i) => typeof n === "string" || n === value.shape[i]);
  if (!fits || count(value.shape) !== value.data.length) {
    throw new Error(`the input '${name}' is ${wanted}, got ${value.data.length} numbers of shape (${value.shape.join(", ")})`);
  }
  const Kind = ARRAYS[dtype];
  return { data: value.data instanceof Kind ? value.data : Kind.from(value.data), shape: value.shape };
}

// Weights from JSON: floats are little-endian bytes in base64, whole numbers a list.
function numbersOf({ dtype, shape, data, values }) {
  const Kind = ARRAYS[dtype];
  if (values) return { data: Kind.from(values), shape, constant: true };
  const text = atob(data);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return { data: new Kind(bytes.buffer), shape, constant: true };
}

// Arrays of the payload, {dtype, shape, data: base64, deflate?} (minigen/pages/arrays.py), as typed arrays: {data, shape}.
"use strict";

{
  const TYPES = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array };

  const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

  const inflated = async (bytes) => {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  minigen.array = async (x) => {
    const bytes = bytesOf(x.data);
    const whole = x.deflate ? await inflated(bytes) : bytes;
    return { data: new TYPES[x.dtype](whole.buffer), shape: x.shape };
  };

  // A value of the payload with every array in it unpacked; `programs` stay as they are, for their interpreter.
  minigen.unpack = async (value) => {
    if (value === null || typeof value !== "object") return value;
    if (Array.isArray(value)) return Promise.all(value.map(minigen.unpack));
    if (typeof value.data === "string" && value.dtype in TYPES) return minigen.array(value);
    const pairs = Object.entries(value).map(async ([key, one]) => [key, key === "programs" ? one : await minigen.unpack(one)]);
    return Object.fromEntries(await Promise.all(pairs));
  };
}

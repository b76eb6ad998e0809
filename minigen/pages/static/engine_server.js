// The networks of a page that is served: each call is a request to minigen, which computes. Framing: minigen/explore/wire.py.
"use strict";

{
  const TYPES = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array };
  const NAMES = new Map(Object.entries(TYPES).map(([name, type]) => [type, name]));

  const pack = (arrays) => {
    const about = {};
    for (const [name, { data, shape }] of Object.entries(arrays)) about[name] = { dtype: NAMES.get(data.constructor), shape };
    const header = new TextEncoder().encode(JSON.stringify(about));
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, header.length, true);
    return new Blob([length, header, ...Object.values(arrays).map(({ data }) => data)]);
  };

  const unpack = (buffer) => {
    const length = new DataView(buffer).getUint32(0, true);
    const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const made = {};
    let at = 4 + length;
    for (const [name, { dtype, shape }] of Object.entries(about)) {
      const bytes = shape.reduce((n, m) => n * m, 1) * TYPES[dtype].BYTES_PER_ELEMENT;
      made[name] = { data: new TYPES[dtype](buffer.slice(at, at + bytes)), shape };
      at += bytes;
    }
    return made;
  };

  minigen.ServerEngine = class {
    async run(part, inputs) {
      let answer;
      try {
        answer = await fetch(`run?part=${part}`, { method: "POST", body: pack(inputs), headers: { "Content-Type": "application/octet-stream" } });
      } catch {
        throw new Error("minigen does not answer: is the command still running?");
      }
      if (!answer.ok) {
        const said = await answer.json().catch(() => ({}));
        throw new Error(said.error ?? `the server answered ${answer.status}`);
      }
      return unpack(await answer.arrayBuffer());
    }
  };
}

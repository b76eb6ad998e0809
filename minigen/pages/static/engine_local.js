// An engine that computes the networks of a run in the page itself, in a worker, so that the page stays alive.
//
//   const engine = new LocalEngine(programs, source);       programs by part, the text of all forward*.js
//   const { image } = await engine.run("decoder", { code: { data: Float32Array, shape: [n, d] } });
//
// The worker is made of a Blob, which works in a page from disk. Where a browser refuses that, the page computes itself.
"use strict";

class LocalEngine {
  constructor(programs, source) {
    this.programs = programs;
    this.parts = Object.keys(programs);
    this.source = source;
    this.waiting = new Map(); // what is under way, by number
    this.sent = new Set(); // parts that the worker has
    this.number = 0;
  }

  // Values {data, shape} by the name of each input to values by the name of each output; one after the other.
  async run(part, inputs) {
    if (!(part in this.programs)) throw new Error(`this run has no ${part}; its parts are ${this.parts.join(", ")}`);
    this.worker ??= this.started();
    const number = this.number++;
    const message = { number, part, inputs, program: this.sent.has(part) ? undefined : this.programs[part] };
    this.sent.add(part);
    return new Promise((resolve, reject) => {
      this.waiting.set(number, { resolve, reject });
      this.worker.postMessage(message);
    });
  }

  // Ends the worker; what is under way is not answered.
  close() {
    this.worker?.terminate();
    this.worker = undefined;
    this.sent.clear();
    for (const { reject } of this.waiting.values()) reject(new Error("the engine was closed"));
    this.waiting.clear();
  }

  started() {
    const answered = ({ data: { number, outputs, error } }) => {
      const { resolve, reject } = this.waiting.get(number);
      this.waiting.delete(number);
      if (error) reject(new Error(error));
      else resolve(outputs);
    };
    const text = `${this.source}\n${answerMessages}\n`;
    try {
      const address = URL.createObjectURL(new Blob([`${text}answerMessages(self);`], { type: "text/javascript" }));
      const worker = new Worker(address);
      worker.onmessage = answered;
      return worker;
    } catch { // the same in the page
      const port = { postMessage: (data) => answered({ data }) };
      new Function("port", `${text}answerMessages(port);`)(port);
      return { postMessage: (data) => setTimeout(() => port.onmessage({ data })), terminate: () => {} };
    }
  }
}

// What the worker does; it has no access to this page, but is sent there as text.
function answerMessages(port) {
  const networks = new Map();
  port.onmessage = ({ data: { number, part, inputs, program } }) => {
    try {
      if (program) networks.set(part, new Network(program));
      const outputs = networks.get(part).run(inputs);
      port.postMessage({ number, outputs }, Object.values(outputs).map(({ data }) => data.buffer));
    } catch (error) {
      port.postMessage({ number, error: error.message });
    }
  };
}

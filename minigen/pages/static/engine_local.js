// The networks of a page that computes them itself, in a Web Worker, so that the page stays alive meanwhile.
//
//   const engine = new LocalEngine(programs, source);       programs by part, the text of all files forward*.js
//   const { image } = await engine.run("decoder", { code: { data: Float32Array, shape: [n, d] } });
//
// The worker is made of a Blob, which works in a page from disk. Where a browser refuses that, the page itself computes.
"use strict";

class LocalEngine {
  constructor(programs, source) {
    this.programs = programs;
    this.parts = Object.keys(programs);
    this.text = `${source}\n${answerMessages}\n`;
    this.underWay = new Map(); // by number: the message, and what to call with its answer
    this.known = new Set(); // parts whose programs were sent
    this.number = 0;
  }

  // Values {data, shape} by the name of each input to values by the name of each output; calls are answered in order.
  async run(part, inputs) {
    if (!(part in this.programs)) throw new Error(`this run has no ${part}; its parts are ${this.parts.join(", ")}`);
    return new Promise((resolve, reject) => {
      const message = { number: this.number++, part, inputs };
      this.underWay.set(message.number, { message, resolve, reject });
      this.send(message);
    });
  }

  // Ends the worker. Calls that are under way fail.
  close() {
    this.port?.close();
    this.port = undefined;
    this.known.clear();
    for (const { reject } of this.underWay.values()) reject(new Error("the engine was closed"));
    this.underWay.clear();
  }

  send(message) {
    this.port ??= this.inWorker();
    const program = this.known.has(message.part) ? undefined : this.programs[message.part];
    this.known.add(message.part);
    this.port.send({ ...message, program });
  }

  answered({ number, outputs, error }) {
    const { resolve, reject } = this.underWay.get(number) ?? {};
    this.underWay.delete(number);
    if (error) reject?.(new Error(error));
    else resolve?.(outputs);
  }

  inWorker() {
    const script = new Blob([`${this.text}answerMessages(self);`], { type: "text/javascript" });
    let worker;
    try {
      worker = new Worker(URL.createObjectURL(script));
    } catch {
      return this.inPage();
    }
    worker.onmessage = ({ data }) => this.answered(data);
    worker.onerror = () => { // it did not start: all messages again
      worker.terminate();
      this.port = this.inPage();
      this.known.clear();
      for (const { message } of this.underWay.values()) this.send(message);
    };
    return { send: (message) => worker.postMessage(message), close: () => worker.terminate() };
  }

  inPage() {
    LocalEngine.page = { postMessage: (answer) => this.answered(answer) };
    const script = document.createElement("script");
    script.textContent = `{\n${this.text}answerMessages(LocalEngine.page);\n}`;
    document.head.append(script);
    const { onmessage } = LocalEngine.page;
    return { send: (message) => setTimeout(() => onmessage({ data: message })), close: () => script.remove() };
  }
}

// What the worker does. It is sent there as text, and sees nothing of the page.
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

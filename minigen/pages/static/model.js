// The model behind a page: images of codes, codes of images, reconstructions, whatever its networks are called.
"use strict";

{
  minigen.Model = class {
    constructor(engine, payload) {
      this.engine = engine;
      this.parts = payload.parts;
      this.image = payload.image.shape;
      this.size = payload.latent?.size ?? 0;
      this.maker = ["decoder", "generator"].find((name) => name in this.parts) ?? null;
      this.decodes = this.maker !== null && this.size > 0;
      this.encodes = "encoder" in this.parts;
      this.reconstructs = "reconstruct" in this.parts;
    }

    // Does the network take the class beside its input?
    toldClass(part) {
      return this.parts[part]?.inputs.includes("class") ?? false;
    }

    // Images (N * C * H * W) of codes (N * D); labels: a number for all, or one for each.
    async decode(codes, labels = 0) {
      const n = codes.length / this.size;
      return (await this.#run(this.maker, { code: { data: codes, shape: [n, this.size] } }, n, labels)).image.data;
    }

    // Codes (N * D) of images; of a VAE the means.
    async encode(images, labels = 0) {
      const made = await this.#ofImages("encoder", images, labels);
      return (made.mean ?? made.code).data;
    }

    async reconstruct(images, labels = 0) {
      return (await this.#ofImages("reconstruct", images, labels)).reconstruction.data;
    }

    #ofImages(part, images, labels) {
      const n = images.length / this.image.reduce((a, b) => a * b, 1);
      return this.#run(part, { image: { data: images, shape: [n, ...this.image] } }, n, labels);
    }

    #run(part, inputs, n, labels) {
      if (!this.toldClass(part)) return this.engine.run(part, inputs);
      const numbers = typeof labels === "number" || labels === null ? new Int32Array(n).fill(labels ?? 0) : Int32Array.from(labels);
      return this.engine.run(part, { ...inputs, class: { data: numbers, shape: [n] } });
    }
  };
}

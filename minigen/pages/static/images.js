// Images: floats (C, H, W) in the model's range of values, or bytes, to the pixels of a canvas, and back.
"use strict";

{
  // An object for images of one shape and range: {shape: [C, H, W], range: [low, high]} is `payload.image`.
  minigen.Images = class {
    constructor({ shape, range }) {
      [this.channels, this.height, this.width] = shape;
      [this.low, this.high] = range;
      this.area = this.height * this.width;
      this.size = this.channels * this.area;
    }

    // An empty canvas of one image; the style sheet enlarges it.
    canvas(attributes = {}) {
      return minigen.el("canvas", { width: this.width, height: this.height, class: "pic", role: "img", ...attributes });
    }

    // Paint image number i of floats (N * C * H * W).
    show(canvas, floats, i = 0) {
      const scale = 255 / (this.high - this.low);
      this.#paint(canvas, i, (k) => (floats[k] - this.low) * scale);
    }

    // The same of bytes, 0..255 for the ends of the range.
    showBytes(canvas, bytes, i = 0) {
      this.#paint(canvas, i, (k) => bytes[k]);
    }

    // Image number i of bytes as floats of the model, rounded as minigen does.
    floats(bytes, i = 0) {
      const made = new Float32Array(this.size);
      for (let k = 0; k < this.size; k++) {
        const unit = Math.fround(bytes[i * this.size + k] / 255);
        made[k] = Math.fround(unit * Math.fround(this.high - this.low)) + this.low;
      }
      return made;
    }

    // The nearest colours to the floats or bytes: grey, RGB, RGBA; of other numbers of channels the first.
    #paint(canvas, i, value) {
      const context = canvas.getContext("2d", { willReadFrequently: true });
      const pixels = context.createImageData(this.width, this.height);
      const [green, blue] = this.channels >= 3 ? [1, 2] : [0, 0];
      for (let p = 0, start = i * this.size; p < this.area; p++) {
        pixels.data[4 * p] = value(start + p);
        pixels.data[4 * p + 1] = value(start + green * this.area + p);
        pixels.data[4 * p + 2] = value(start + blue * this.area + p);
        pixels.data[4 * p + 3] = this.channels === 4 ? value(start + 3 * this.area + p) : 255;
      }
      context.putImageData(pixels, 0, 0);
    }

    // The pixels of a canvas of this size as floats of the model; grey is the mean of the colours that `grey` weighs.
    read(canvas) {
      const { data } = canvas.getContext("2d", { willReadFrequently: true }).getImageData(0, 0, this.width, this.height);
      const made = new Float32Array(this.size);
      for (let c = 0; c < this.channels; c++) {
        for (let p = 0; p < this.area; p++) {
          const [r, g, b] = [data[4 * p], data[4 * p + 1], data[4 * p + 2]];
          const byte = this.channels < 3 || this.channels > 4 ? 0.299 * r + 0.587 * g + 0.114 * b : data[4 * p + c];
          made[c * this.area + p] = this.low + (this.high - this.low) * (byte / 255);
        }
      }
      return made;
    }
  };
}

// A canvas to draw on, in the size of the model's images: by pointer, or a picture that is dropped or chosen.
"use strict";

{
  const SIDE = 280; // about how many pixels wide it is: a pixel of the image is the mean over a square of these

  minigen.Sketch = class {
    constructor(images, onchange) {
      this.images = images;
      this.onchange = onchange;
      this.brush = 2; // pixels of the image
      this.ink = "#ffffff";
      this.paper = "#000000";
      this.exact = null; // the floats of an image of the data, as long as nobody draws on it
      this.small = images.canvas({ id: "small", "aria-label": "the drawing as the model sees it" });
      this.scale = Math.max(1, Math.round(SIDE / Math.max(images.width, images.height)));
      const [width, height] = [images.width * this.scale, images.height * this.scale];
      this.canvas = minigen.el("canvas", { width, height, id: "sketch", class: "sketch", role: "application", "aria-label": "drawing area: draw with the pointer, or drop a picture; arrows move, Space draws" });
      this.context = this.canvas.getContext("2d", { willReadFrequently: true });
      const dot = (x, y) => this.#line([(x + 0.5) * this.scale, (y + 0.5) * this.scale]);
      this.board = minigen.cursor(this.canvas, { width: images.width, height: images.height, paint: dot });
      this.#listen();
      this.#fill();
    }

    clear() {
      this.#fill();
      this.exact = null;
      this.#changed();
    }

    // Lay a picture (anything that drawImage takes) over the whole canvas, its middle cut out. `exact`: its floats, if it
    // is an image of the data, whose channels need not be those of a canvas.
    lay(picture, width, height, { smooth = true, exact = null } = {}) {
      this.exact = exact;
      const { canvas, context } = this;
      this.#fill();
      const scale = Math.max(canvas.width / width, canvas.height / height);
      const [w, h] = [width * scale, height * scale];
      context.imageSmoothingEnabled = smooth;
      context.drawImage(picture, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
      this.#changed();
    }

    async layFile(file) {
      if (!file.type.startsWith("image/")) throw new Error(`${file.name} is no picture; drop a PNG, JPEG or WebP`);
      const picture = await createImageBitmap(file).catch(() => { throw new Error(`${file.name} cannot be read as a picture`); });
      this.lay(picture, picture.width, picture.height);
      picture.close();
    }

    invert() {
      const { canvas, context } = this;
      context.globalCompositeOperation = "difference";
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.globalCompositeOperation = "source-over";
      this.exact = null;
      this.#changed();
    }

    // The drawing as floats of the model: the mean over each pixel's square, in bytes.
    floats() {
      const { scale, canvas, small } = this;
      const { data } = this.context.getImageData(0, 0, canvas.width, canvas.height);
      const context = small.getContext("2d", { willReadFrequently: true });
      const made = context.createImageData(small.width, small.height);
      const sums = new Float64Array(made.data.length);
      for (let y = 0, at = 0; y < canvas.height; y++) {
        const row = Math.floor(y / scale) * small.width;
        for (let x = 0; x < canvas.width; x++, at += 4) {
          const to = 4 * (row + Math.floor(x / scale));
          for (let c = 0; c < 4; c++) sums[to + c] += data[at + c];
        }
      }
      sums.forEach((sum, k) => { made.data[k] = sum / scale ** 2; });
      context.putImageData(made, 0, 0);
      if (!this.exact) return this.images.read(small);
      this.images.show(small, this.exact);
      return this.exact;
    }

    #fill() {
      this.context.fillStyle = this.paper;
      this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    }

    // A stroke of the brush, from one place of the canvas to another.
    #line(to, from = to) {
      const { context } = this;
      const width = this.brush * this.scale;
      Object.assign(context, { strokeStyle: this.ink, fillStyle: this.ink, lineWidth: width, lineCap: "round", lineJoin: "round" });
      context.beginPath();
      if (to[0] === from[0] && to[1] === from[1]) {
        context.arc(...to, width / 2, 0, 2 * Math.PI); // not every browser draws a line without length
        context.fill();
      } else {
        context.moveTo(...from);
        context.lineTo(...to);
        context.stroke();
      }
      this.exact = null;
      this.#changed();
    }

    #changed() {
      this.onchange(this.floats());
    }

    #listen() {
      const { canvas } = this;
      let last = null;
      const at = (event) => {
        const box = canvas.getBoundingClientRect();
        return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
      };
      const stroke = (to) => {
        this.#line(to, last);
        last = to;
      };
      canvas.addEventListener("pointerdown", (event) => { if (event.button) return; canvas.setPointerCapture(event.pointerId); last = at(event); stroke(last); });
      canvas.addEventListener("pointermove", (event) => { if (last) stroke(at(event)); });
      for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { last = null; });
      // Anywhere on the page: a picture that misses the canvas would else be opened instead of the page.
      document.addEventListener("dragover", (event) => event.preventDefault());
      document.addEventListener("drop", (event) => {
        event.preventDefault();
        const [file] = event.dataTransfer?.files ?? [];
        if (file) this.layFile(file).then(() => minigen.complain(null), minigen.complain);
        else minigen.complain("What was dropped is no file; drop a PNG, JPEG or WebP");
      });
    }
  };
}

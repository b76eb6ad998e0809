// What the discriminator says of images, and the classifier beside it: numbers with their unit.
"use strict";

{
  const OFFSET = 0.1; // of the contrast that a relative error is a share of (minigen/algorithms/hybrid/began.py)

  const mean = (n, value) => {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += value(k);
    return sum / n;
  };

  // The error of image i's reconstruction, as the model's loss measures it.
  const error = (measure, images, made, i, size) => {
    const at = i * size;
    if (measure === "squared") return mean(size, (k) => (images[at + k] - made[at + k]) ** 2);
    const absolute = mean(size, (k) => Math.abs(images[at + k] - made[at + k]));
    if (measure === "absolute") return absolute;
    const middle = mean(size, (k) => images[at + k]);
    return absolute / (mean(size, (k) => Math.abs(images[at + k] - middle)) + OFFSET);
  };

  // Packs: each image with the same samples as further channels.
  const packed = async (page, images, n, pack) => {
    const { size } = page.images;
    page.companions ??= await page.model.decode(page.payload.samples.codes.data.slice(0, (pack - 1) * page.model.size));
    const made = new Float32Array(n * pack * size);
    for (let i = 0; i < n; i++) {
      made.set(images.subarray(i * size, (i + 1) * size), i * pack * size);
      made.set(page.companions, (i * pack + 1) * size);
    }
    return made;
  };

  // The scores (N,) of images (N * C * H * W) with their codes (N * D) and labels (N), if the discriminator takes these.
  minigen.score = async (page, images, { codes = null, labels = null } = {}) => {
    const { takes, pack, measure } = page.payload.abilities.score;
    const [[channels, height, width], { size }] = [page.payload.image.shape, page.images];
    const n = images.length / size;
    const inputs = {};
    if (takes.includes("image")) {
      const data = pack > 1 ? await packed(page, images, n, pack) : images;
      inputs.image = { data, shape: [n, pack * channels, height, width] };
    }
    if (takes.includes("code")) inputs.code = { data: codes, shape: [n, page.model.size] };
    if (takes.includes("class")) inputs.class = { data: Int32Array.from(labels), shape: [n] };
    const made = await page.engine.run("discriminator", inputs);
    if (measure === null) return made.score.data;
    return Float32Array.from({ length: n }, (_, i) => error(measure, images, made.reconstruction.data, i, size));
  };

  // A score in words: the number, of a logit with its probability.
  minigen.scoreText = (page, value) => {
    const { kind } = page.payload.abilities.score;
    const number = kind === "error" ? value.toFixed(3) : minigen.short(value);
    return kind === "logit" ? `${number} (${((100 / (1 + Math.exp(-value)))).toFixed(0)}\u202f%)` : number;
  };

  // What the number is, for a line above the images.
  minigen.scoreUnit = (page) => {
    const { kind, unit, pack } = page.payload.abilities.score;
    const percent = kind === "logit" ? "; in brackets the probability of being real" : "";
    return unit + percent + (pack > 1 ? `; judged together with ${pack - 1 === 1 ? "one sample" : `${pack - 1} samples`}` : "");
  };

  // What the classifier takes images for: [{label, probability}] of the likeliest classes.
  minigen.classify = async (page, images) => {
    const n = images.length / page.images.size;
    const made = await page.engine.run("classifier", { image: { data: images, shape: [n, ...page.payload.image.shape] } });
    const count = made.probabilities.data.length / n;
    return Array.from({ length: n }, (_, i) => {
      const row = made.probabilities.data.subarray(i * count, (i + 1) * count);
      const label = row.indexOf(Math.max(...row));
      return { label, probability: row[label] };
    });
  };
}

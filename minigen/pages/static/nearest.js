// The nearest training images of an image, by the root mean square difference of pixels, 0..1 of the range of values.
"use strict";

{
  const STEP = 49; // pixels between two looks at the sum

  // The k nearest of `payload.train`: [{row, distance}], the nearest first; null if the page holds no training images.
  minigen.nearest = (page, image, k = 8) => {
    const { train } = page.payload;
    if (!train) return null;
    const { size, low, high } = page.images;
    const bytes = train.images.data;
    const query = Float32Array.from(image, (x) => ((x - low) * 255) / (high - low));
    const found = [];
    let worst = Infinity; // of the k found so far: whatever is beyond it need not be summed up
    for (let row = 0, start = 0; start < bytes.length; row++, start += size) {
      let sum = 0;
      for (let j = 0; j < size && sum < worst;) {
        for (const end = Math.min(j + STEP, size); j < end; j++) {
          const d = bytes[start + j] - query[j];
          sum += d * d;
        }
      }
      if (sum >= worst) continue;
      if (found.length === k) found.pop();
      const place = found.findIndex((one) => one.sum > sum);
      found.splice(place < 0 ? found.length : place, 0, { row, sum });
      if (found.length === k) worst = found[k - 1].sum;
    }
    return found.map(({ row, sum }) => ({ row, distance: Math.sqrt(sum / size) / 255 }));
  };

  // The same as a row of pictures, each with its class and distance.
  minigen.neighbours = (page, image, k = 8) =>
    (minigen.nearest(page, image, k) ?? []).map(({ row, distance }) => {
      const name = page.nameOf(page.labelOf("train", row));
      const canvas = page.images.canvas({ "aria-label": `training image${name && `, ${name}`}, distance ${distance.toFixed(3)}` });
      page.images.showBytes(canvas, page.payload.train.images.data, row);
      return minigen.el("figure", {}, canvas, minigen.el("figcaption", {}, name ? minigen.el("b", {}, name) : null, ` ${distance.toFixed(3)}`));
    });
}

// The corruptions of a denoising autoencoder (minigen/algorithms/autoencoders/denoising_ae.py), on single pixels.
"use strict";

{
  minigen.CORRUPTIONS = [["masking", "masking (black)"], ["gaussian", "Gaussian noise"], ["salt-and-pepper", "salt and pepper"]];

  // Is the level of a kind a share of pixels that are hit, or a standard deviation?
  minigen.levelText = (kind, level) => (kind === "gaussian" ? `standard deviation ${level.toFixed(2)}` : `${(100 * level).toFixed(0)} % of the pixels`);

  // Change one number x of an image with values from low to high; `seed` and `place` are where its noise comes from.
  minigen.corrupt = (kind, level, x, [low, high], seed, place) => {
    const u = minigen.prior.uniform(seed, place, 0);
    if (kind === "masking") return u < level ? low : x;
    if (kind === "salt-and-pepper") return u >= level ? x : u < level / 2 ? low : high;
    const [z] = minigen.prior.noise(seed, place, 1);
    return Math.min(Math.max(x + level * z, low), high);
  };
}

// Codes from a prior of normal and uniform numbers, by noise that depends on a seed and places alone; a smooth walk.
"use strict";

{
  const prior = (minigen.prior = {});

  // 32 bits that look random, of a whole number: the finalizer of MurmurHash3 (Appleby 2011).
  const mixed = (x) => {
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return (x ^ (x >>> 16)) >>> 0;
  };

  // Uniform numbers between 0 and 1, neither included: number i of row k.
  prior.uniform = (seed, k, i) => (mixed(mixed(mixed(seed + 0x9e3779b9) + k) + i) + 0.5) / 2 ** 32;

  // Standard normal numbers (n,) of row k (Box and Muller 1958).
  prior.noise = (seed, k, n) =>
    Float64Array.from({ length: n }, (_, i) => {
      const [u, v] = [prior.uniform(seed, k, 2 * i), prior.uniform(seed, k, 2 * i + 1)];
      return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
    });

  // Abramowitz and Stegun 1964, 7.1.26: the normal distribution function, to 1e-7.
  prior.cdf = (x) => {
    const z = Math.abs(x) / Math.SQRT2;
    const t = 1 / (1 + 0.3275911 * z);
    const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    const tail = (series * Math.exp(-z * z)) / 2;
    return x < 0 ? tail : 1 - tail;
  };

  // The number between -limit and limit where the distribution function is p, by halving.
  const quantile = (p, limit) => {
    let [low, high] = [-limit, limit];
    for (let k = 0; k < 32; k++) {
      const middle = (low + high) / 2;
      if (prior.cdf(middle) < p) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  };

  // The code of noise (D,): normal numbers as they are, and with a limit the number of the truncated normal distribution
  // with the same share below it, so that truncation is the prior between -limit and limit (Brock et al. 2019,
  // arXiv:1809.11096) and changes nothing in leaps; "uniform" ones between -1 and 1.
  prior.code = (noise, kinds, limit = Infinity) => {
    const outside = limit < Infinity ? prior.cdf(-limit) : 0;
    return Float32Array.from(noise, (z, i) => {
      if (kinds[i] === "uniform") return 2 * prior.cdf(z) - 1;
      return limit < Infinity ? quantile(outside + prior.cdf(z) * (1 - 2 * outside), limit) : z;
    });
  };

  // The cubic B-spline around 0: twice differentiable, 0 from 2 on.
  const bump = (x) => {
    const d = Math.abs(x);
    return d < 1 ? 2 / 3 - d * d + (d * d * d) / 2 : d < 2 ? (2 - d) ** 3 / 6 : 0;
  };

  // The noise (n,) at time t of a walk: a mean of the noise around t, weighed smoothly and brought to variance 1. So each
  // moment is a draw from N(0, 1), moments 4 apart are independent, and the path has no corners.
  prior.walk = (seed, t, n) => {
    const made = new Float64Array(n);
    let squares = 0;
    for (let k = Math.floor(t) - 1; k <= Math.floor(t) + 2; k++) {
      const weight = bump(t - k);
      squares += weight * weight;
      prior.noise(seed, k, n).forEach((z, i) => { made[i] += weight * z; });
    }
    return made.map((z) => z / Math.sqrt(squares));
  };
}

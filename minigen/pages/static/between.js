// Codes on the way from one code to another; what minigen/runs/sampling.py calls `between`.
"use strict";

{
  // At t from 0 to 1. "linear": a + t (b - a). "spherical": along the great circle (White 2016, arXiv:1609.04468), or
  // straight where none is the shortest.
  minigen.between = (a, b, t, kind) => {
    const mix = (p, q) => Float32Array.from(a, (x, k) => p * x + q * b[k]);
    const lengths = Math.hypot(...a) * Math.hypot(...b);
    const cosine = a.reduce((sum, x, k) => sum + x * b[k], 0) / Math.max(lengths, 1e-30);
    const angle = Math.acos(Math.min(Math.max(cosine, -1), 1));
    const sine = Math.sin(angle);
    if (kind === "linear" || sine < 1e-6 || lengths < 1e-12) return mix(1 - t, t);
    return mix(Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine);
  };
}

#!/usr/bin/env bash
# Keras 3.15.1: on every backend but TensorFlow an operation on two float64 arrays is computed in float32, in layers with
# dtype="float64" too, whose kernels are float64; keras.config.set_floatx("float64") changes nothing. Keras' rule of result
# dtypes makes 64 bits 32 "to be aligned with JAX's default", whatever the backend can do.
#
# Who meets it: tests that hold a network to a float64 reference, gradient checks, whoever moves weights of float64 in or
# out and finds the seventh digit wrong. No warning is given.
#
# What helps: compare in float32; or compute with the backend's own operations.
#
# Run: bash findings/keras_float64_is_float32.sh. It makes a virtual environment in a temporary folder (Keras on NumPy, which wants JAX too).
# Exit code 0: as seen; 1: Keras behaves otherwise.
#
# Seen: a Dense layer of float64 beside NumPy's product of the same float64 arrays
#   by default: kernel float64, result float32, largest difference 2.5e-07
#   after set_floatx("float64"): kernel float64, result float32, largest difference 2.5e-07
#   as seen before
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check keras==3.15.1 numpy==2.4.6 scipy==1.17.1 jax==0.10.2
KERAS_BACKEND=numpy venv/bin/python - <<'PYTHON'
import sys

import keras
import numpy as np

rng = np.random.default_rng(0)
x, kernel = rng.normal(size=(4, 3)), rng.normal(size=(3, 2))
found = []
print("a Dense layer of float64 beside NumPy's product of the same float64 arrays")
for when in ("by default", 'after set_floatx("float64")'):
    layer = keras.layers.Dense(2, use_bias=False, dtype="float64")
    layer.build((None, 3))
    layer.kernel.assign(kernel)
    y = layer(x)
    assert np.array_equal(np.asarray(layer.kernel), kernel)
    difference = float(np.abs(np.asarray(y) - x @ kernel).max())
    print(f"  {when}: kernel {layer.kernel.dtype}, result {y.dtype}, largest difference {difference:.1e}")
    found.append(str(y.dtype) == "float32" and difference > 1e-9)
    keras.config.set_floatx("float64")
print("as seen before" if all(found) else "Keras behaves otherwise now")
sys.exit(0 if all(found) else 1)
PYTHON

#!/usr/bin/env bash
# Keras 3.15.1: SpectralNormalization around an Embedding gives whole numbers. It casts what the layer gives to the dtype
# of the input, and that of an embedding are indices: all vectors with elements between -1 and 1 become 0. The class says
# that it is for layers with `embeddings`, too.
#
# Who meets it: conditional discriminators with a projection of embedded labels, the usual place of this pair of layers.
#
# What helps: give the indices as floats (the Embedding makes whole numbers of them by itself).
#
# Run: bash findings/keras_spectral_norm_of_embedding.sh. It makes a virtual environment in a temporary folder (Keras on
# NumPy). Exit code 0: as seen; 1: Keras behaves otherwise.
#
# Seen: the vector of index 0
#   of the Embedding: float32 [0.5, -0.25, 1.5]
#   normalised, indices int32: int32 [0, 0, 1]
#   normalised, indices float32: float32 [0.5, -0.25, 1.5]
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

indices, table = np.zeros(1, np.int32), np.array([[0.5, -0.25, 1.5], [1, 0, 0]], np.float32)
plain = keras.layers.Embedding(2, 3)
wrapped = keras.layers.SpectralNormalization(keras.layers.Embedding(2, 3))
results = []
print("the vector of index 0")
for name, layer, x in (
    ("of the Embedding", plain, indices),
    ("normalised, indices int32", wrapped, indices),
    ("normalised, indices float32", wrapped, indices.astype(np.float32)),
):
    layer(x)
    getattr(layer, "layer", layer).embeddings.assign(table)
    y = np.asarray(layer(x))
    results.append((str(y.dtype), y[0].tolist()))
    print(f"  {name}: {y.dtype} {y[0].tolist()}")
vector = ("float32", [0.5, -0.25, 1.5])
as_seen = results == [vector, ("int32", [0, 0, 1]), vector]
print("as seen before" if as_seen else "Keras behaves otherwise now")
sys.exit(0 if as_seen else 1)
PYTHON

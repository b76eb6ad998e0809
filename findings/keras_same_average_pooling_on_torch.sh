#!/usr/bin/env bash
# Keras 3.15.1: average pooling with padding "same" gives other numbers on the torch backend than on any other. Where the
# padding is not the same at both ends, the torch backend repeats the last element and counts the copy in the mean; JAX,
# NumPy and TensorFlow divide by the elements that there are. An even window moved by one ([1, 2, 3], window 4) gets
# copies on one side and true borders on the other.
#
# Who meets it: networks that were trained on one backend and are evaluated on another, with an odd side somewhere.
#
# What helps: sizes at which the padding is even at both ends or none (window and step 2, even sides), or padding "valid".
#
# Run: bash findings/keras_same_average_pooling_on_torch.sh. It makes a virtual environment in a temporary folder (Keras,
# JAX and PyTorch). Exit code 0: as seen; 1: Keras behaves otherwise.
#
# Seen: AveragePooling1D(3, 2, "same") of [1, 2, 3, 4]
#   jax [2.0, 3.5]
#   torch [2.0, 3.6667]
#   AveragePooling2D(3, 2, "same") of [[1, 2, 3, 4]] * 4, first row
#   jax [2.0, 3.5]
#   torch [2.0, 3.6667]
#   as seen before
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check keras==3.15.1 numpy==2.4.6 jax==0.10.2 torch==2.13.0
cat > pool.py <<'PYTHON'
import keras
import numpy as np

x = np.arange(1, 5, dtype=np.float32)
one = keras.layers.AveragePooling1D(3, 2, padding="same")(x.reshape(1, 4, 1))
two = keras.layers.AveragePooling2D(3, 2, padding="same")(np.tile(x, 4).reshape(1, 4, 4, 1))
for y in (np.asarray(one)[0], np.asarray(two)[0, 0]):
    print([round(float(v), 4) for v in y.ravel()])
PYTHON
failed=0
for backend in jax torch; do
  KERAS_BACKEND=$backend venv/bin/python pool.py > "$backend" 2> /dev/null
done
line=0
for name in 'AveragePooling1D(3, 2, "same") of [1, 2, 3, 4]' 'AveragePooling2D(3, 2, "same") of [[1, 2, 3, 4]] * 4, first row'; do
  line=$((line + 1))
  echo "$name"
  for backend in jax torch; do
    seen=$(sed -n "${line}p" "$backend")
    echo "  $backend $seen"
    expected='[2.0, 3.5]'
    if [ "$backend" = torch ]; then expected='[2.0, 3.6667]'; fi
    if [ "$seen" != "$expected" ]; then failed=1; fi
  done
done
if [ "$failed" = 0 ]; then echo "as seen before"; else echo "Keras behaves otherwise now"; fi
exit "$failed"

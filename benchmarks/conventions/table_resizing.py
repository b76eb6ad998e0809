"""Which pixel a resized image takes: nearest and bilinear, corners, antialiasing; and pooling at the edge.

Imports: tables. Read next: ``table_initial_weights.py``.
"""

from __future__ import annotations

from tables import FRAMEWORKS, ONNX, Part, Row, Table, run

ROWS = (
    Row("nearest 4 to 6", "nearest, 4 to 6 pixels",
        "Keras and JAX take the pixel under the centre of the new one, PyTorch and its relatives and minigen that "
        "under its left edge; ONNX rounds (half down) to the nearest centre. For a factor of 2 all are equal.",
        "resize by whole factors, where nothing differs."),
    Row("nearest 5 to 3", "nearest, 5 to 3", "", "`ops.getitem` with the indices of the cell."),
    Row("nearest 5 to 2", "nearest, 5 to 2", "", "`ops.getitem` with the indices of the cell."),
    Row("bilinear 4 to 8", "bilinear, 4 to 8"),
    Row("bilinear 4 to 8, aligned", "bilinear, 4 to 8, corners aligned"),
    Row("bilinear 4 to 8, default", "bilinear, 4 to 8, Chainer's default",
        "Chainer's `resize_images` aligns the corners unless told not to.",
        "`ops.interpolate(align_corners=True)`."),
    Row("bilinear 4 to 2", "bilinear, 4 to 2",
        "`jax.image.resize` smooths when it shrinks (`antialias=True`), everybody else takes two pixels and no more. "
        "Keras on JAX asks for no smoothing.",
        "give JAX `antialias=False`, or use `ops.avg_pool2d` here."),
    Row("bilinear 5 to 2", "bilinear, 5 to 2", "", "the same."),
    Row("bilinear 4 by 1.6", "bilinear, 4 pixels by a factor of 1.6 (6 pixels)",
        "The step is 1/1.6 in PyTorch, Paddle and ONNX, though 4 to 6 pixels would be 1/1.5; MLX lays its grid an "
        "eighth of a pixel further.",
        "give `size`, not `scale_factor`."),
    Row("average pooling at the edge", "average pooling of ones at a padded corner",
        "Padding counts as zeros (a quarter here) in PyTorch, JAX, Chainer, MLX, tinygrad and minigen; Keras, Paddle "
        "and ONNX average over what is there.",
        "divide by the pooled ones, or pad with `ops.pad` of mode \"edge\"."),
)  # fmt: skip

TABLE = Table(
    name="resizing",
    title="Resizing",
    text="A row of pixels 0, 1, 2, ... at another width. JAX's is `jax.image.resize`, Keras' `keras.ops.image.resize`, "
    "ONNX the operator Resize with its defaults (half_pixel, round_prefer_floor).",
    port="factors that are whole numbers, and bilinear without aligned corners, are the same everywhere but for "
    "JAX's smoothing when it shrinks.",
    parts=(Part("", ROWS),),
    peers=(*FRAMEWORKS, *ONNX),
)

if __name__ == "__main__":
    run(TABLE)

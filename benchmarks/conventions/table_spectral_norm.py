"""Spectral normalisation: iterations in each call, evaluation, transposed convolutions, a weight of zeros.

Imports: tables. Read next: ``table_losses.py``.
"""

from __future__ import annotations

from tables import FRAMEWORKS, Part, Row, Table, run

ROWS = (
    Row("training", "sigma in three calls in training",
        "The others iterate in every call, so two batches of one update (real, generated) see two networks. minigen's "
        "forward pass does not iterate.",
        "call `nn.power_iteration(network)` once for each update."),
    Row("training, a step called", "the same in minigen, with `power_iteration` before each call", "",
        "now the numbers are those of the others."),
    Row("training, older function", "PyTorch's older `nn.utils.spectral_norm`", "", "the same numbers; `weight_orig`, "
        "`weight_u` and `weight_v` are its names."),
    Row("evaluation", "sigma in three calls in evaluation",
        "PyTorch, Paddle and minigen take the vectors as they are; Flax and Chainer iterate, and keep nothing; Keras "
        "divides by nothing (sigma 1): it uses the weight that the last training call has left.",
        "iterate a few times after importing, or take u and v along."),
    Row("stored weight", "the stored weight after 30 calls, of (2, 0, 0, 1)",
        "Flax and Keras overwrite the weight itself by the normalised one.",
        "a weight from there is already divided: import it into the layer, without `nn.SpectralNorm`, or go on from "
        "it."),
    Row("transposed convolution", "sigma of a transposed convolution of 1 to 2 channels",
        "Its weight has the input's channels first. All but Keras turn it to (out, everything else) and find 2; Keras "
        "takes it by the last axis, which is the input's, and finds 2.236.",
        "none: the bound is another one."),
    Row("weight of zeros", "result of a weight of zeros",
        "PyTorch, Chainer and Paddle divide by 0: NaN.", "nothing to do: it is 0."),
    Row("default: iterations", "iterations in each call", "", "one `nn.power_iteration`."),
    Row("default: epsilon", "epsilon of the normalisation of u and v", "", "no setting; it matters for weights near "
    "0 only."),
)  # fmt: skip

TABLE = Table(
    name="spectral_norm",
    title="Spectral norm",
    text="A matrix with the singular values 2 and 1, the vectors u (and v, where it is kept) both (0.707, 0.707) at "
    "the start. MLX and tinygrad have none.",
    port="take u along, or iterate 15 times after importing; then iterate once for each update.",
    parts=(Part("", ROWS),),
    peers=FRAMEWORKS[:5],
)

if __name__ == "__main__":
    run(TABLE)

"""Vector quantisation: what the gradient of the encoder is, and the scale of the commitment.

Imports: tables. Read next: ``table_metrics.py``.
"""

from __future__ import annotations

from tables import Part, Peer, Row, Table, run

ROWS = (
    Row("result", "the vector that goes on"),
    Row("gradient", "gradient of the encoder, default",
        "vector-quantize-pytorch rotates and stretches the gradient with the vector (the rotation trick, Fifty et al. "
        "2024) by default; the others hand it on unchanged.",
        "minigen is straight-through; give the peer `rotation_trick=False`."),
    Row("gradient, rotation", "the same with `rotation_trick=True`", "", "minigen has none."),
    Row("commitment", "commitment of four such vectors, before its weight",
        "The peers take the mean over all numbers (2.5), minigen the sum over the grid for each image (20): it stands "
        "beside a likelihood that is a sum.",
        "the peers' weight times 1, minigen's divided by the numbers of a grid (here 8), if the likelihood is a mean."),
    Row("weight", "its weight, default", "", "`minigen train vq-vae --commitment`."),
    Row("decay", "decay of the moving averages, default", "", "`Codebook(decay=...)`."),
)  # fmt: skip

TABLE = Table(
    name="quantisation",
    title="Vector quantisation",
    text="The vector (1, 0), the nearest entry (0, 2), and the gradient (1, 2) that comes back; a grid of 2 x 2.",
    port="look at the scale of the commitment first: between a mean and a sum lies the size of the grid.",
    parts=(Part("", ROWS),),
    peers=(
        Peer("vector-quantize-pytorch", "torch", "in_vq.py", ("vector-quantize-pytorch",)),
        Peer("dm-haiku", "jax", "in_vq.py", ("dm-haiku",)),
    ),
)

if __name__ == "__main__":
    run(TABLE)

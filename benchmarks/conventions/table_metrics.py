"""The Frechet distance, and precision and recall, where samples are few, equal or repeated.

Imports: tables. Read next: ``table_mpi_order.py``.
"""

from __future__ import annotations

from tables import Part, Peer, Row, Table, run

FRECHET = (
    Row("corners", "the corners of a square, and of one twice as large",
        "All divide the covariance by n - 1: with n it would be 2."),
    Row("equal sets", "a set of 40 samples of 4 features, and itself"),
    Row("one law, 40 samples of 4", "two sets from one law, 40 samples of 4 features",
        "The distance of two sets from one law is not 0: it is biased upwards, the more the fewer samples there are."),
    Row("equal sets, 5 samples of 8", "5 samples of 8 features, and themselves", "minigen refuses so few.",
        "twice as many samples as features are the least."),
    Row("one law, 5 samples of 8", "two sets from one law, 5 samples of 8 features",
        "A number 15 times as large as with 40 samples of 4, from nothing but few samples; nobody but minigen says a "
        "word.",
        "as above."),
    Row("constant features", "constant features"),
)  # fmt: skip

STRICT = (
    "In prdc a sample must lie strictly inside of a ball. Where k + 1 samples are equal the ball has radius 0, and a "
    "perfect copy scores 0: repeated images, or a collapsed generator against itself."
)
NEIGHBOURS = (
    Row("the same 20 samples", "20 samples, and themselves"),
    Row("one law, 20 samples", "two sets from one law, 20 samples"),
    Row("every sample 4 times", "20 samples four times each, and themselves", STRICT,
        "minigen and torch-fidelity count the surface of the ball: such a copy scores 1."),
    Row("all samples equal", "20 equal samples, and themselves", "", "as above."),
    Row("3 samples", "3 samples: no third neighbour"),
)  # fmt: skip

DENSITY = tuple(
    Row(f"{row.key}, density", row.label, *notes)
    for row, notes in zip(
        NEIGHBOURS,
        (
            ("The k-th neighbour lies on the surface of its ball. minigen counts it, so that its density of equal sets "
             "is above 1.", "nothing differs where no sample lies exactly on a surface."),
            (),
            (STRICT, "as above."),
            ("", "as above."),
            (),
        ),
        strict=True,
    )
)  # fmt: skip

PACKAGES = ("torchmetrics", "pytorch-fid", "clean-fid", "torch-fidelity", "prdc")

TABLE = Table(
    name="metrics",
    title="Frechet distance, precision and recall",
    text="Features, not images: every package computes from the same numbers, without an Inception network. The "
    "Frechet distances are rounded to 3 digits after the point. pytorch-fid and "
    "clean-fid take a mean and a covariance: those of NumPy's `cov`, as in their own code. Precision, recall, "
    "density and coverage are with k = 3.",
    port="compare distances of equal numbers of samples only, and remove repeated samples before prdc.",
    parts=(
        Part("The Frechet distance:", FRECHET),
        Part("Precision, recall:", NEIGHBOURS),
        Part("Density, coverage:", DENSITY),
    ),
    peers=tuple(Peer(package, "torch", "in_metrics.py", (package,)) for package in PACKAGES),
)

if __name__ == "__main__":
    run(TABLE)

"""Gradients where there is no one gradient: at ties, kinks, zeros; and the second derivative there.

Imports: tables. Read next: ``table_optimizers.py``.
"""

from __future__ import annotations

from tables import Part, Row, Table, run

FIRST = (
    Row("abs", "abs at 0",
        "JAX 0.10 takes slope 1 at 0, not the sign: an L1 penalty moves weights that are 0.",
        "minigen takes 0, also in the L1 loss of equal numbers."),
    Row("relu", "relu at 0"),
    Row("maximum with 0", "maximum(x, 0) at 0",
        "It is not relu: where both arguments are equal, each gets a half.",
        "write `ops.relu` where relu is meant."),
    Row("leaky relu", "leaky relu, slope 0.25, at 0",
        "At 0 itself some take the slope of the positive side. Inputs that are exactly 0 come after padding or "
        "another relu."),
    Row("elu", "elu, alpha 2, at 0",
        "tinygrad's elu has no gradient at 0 from either side."),
    Row("clip", "clip to [-1, 1] at -1, 0, 1",
        "JAX gives a half at a limit, MLX nothing: clipped images that touch the limits get another gradient.",
        "`ops.minimum(ops.maximum(x, low), high)` gives JAX's halves."),
    Row("maximum", "maximum of two equal numbers",
        "MLX gives all to the second argument, Chainer all to the first.",
        "`ops.where(a >= b, a, b)` gives all to a."),
    Row("minimum", "minimum of two equal numbers", "",
        "`ops.where(a <= b, a, b)` gives all to a."),
    Row("max", "max of (2, 2, 1)",
        "Chainer gives each tie the whole gradient, so that the gradients sum to 2.",
        "minigen's shares sum to 1; multiply by the number of ties for Chainer's."),
    Row("max over an axis", "max of (2, 2, 1) over an axis",
        "PyTorch shares between ties in `max(x)` and in `amax`, but `max(x, dim)` gives all to one of them.",
        "for PyTorch's choice use `ops.getitem` with `ops.argmax`."),
    Row("min", "min of (1, 2, 1)", "", "as for max."),
    Row("max pooling", "max pooling of four equal numbers",
        "MLX and tinygrad, whose max shares between ties, share in pooling too; elsewhere pooling takes the first, "
        "even where max shares.",
        "windows of zeros are common after a relu; in minigen their gradient goes to the first element."),
    Row("sort", "sort of (2, 2, 1), results times 1, 10, 100",
        "tinygrad gives each of two ties the mean of their gradients.", "minigen's sort is stable, so each element "
        "has the gradient of its place."),
    Row("median", "median of (1, 2, 3, 4)",
        "PyTorch returns the lower of the two in the middle, not their mean.",
        "minigen has no median: take elements of `ops.sort`."),
    Row("sqrt", "sqrt at 0"),
    Row("where around sqrt", "where(x > 0, sqrt(x), 0) at 0",
        "The branch that is not taken still has a gradient: 0 times infinity is NaN, everywhere.",),
    Row("norm", "norm of (0, 0)",
        "PyTorch, Paddle and minigen give 0, the others NaN. A gradient penalty meets it in every dead unit.",
        "where a peer writes sqrt(sum(x**2) + eps) against the NaN, write the same, or use `ops.norm`."),
    Row("norm squared", "norm(x) ** 2 of (0, 0)",
        "Its gradient is 0; by way of a norm whose gradient is NaN it is NaN.", "write `ops.sum(x * x)`."),
    Row("largest absolute value", "largest absolute value of (1, -1)",
        "Paddle's norm of order infinity gives both the whole gradient."),
    Row("power 1", "x ** 1.0 at 0"),
    Row("power 2", "x ** 2.0 at 0"),
    Row("product with a zero", "prod of (0, 2, 3)",
        "Paddle divides by the element: NaN at the zero, where the derivative is 6."),
    Row("product with two zeros", "prod of (0, 0, 3)", "The same; the derivatives are 0."),
    Row("standard deviation", "standard deviation of (1, 1)",
        "PyTorch's `std` gives 0 for equal numbers; the root of a variance gives NaN. Minibatch statistics of a "
        "collapsed generator are such numbers.",
        "write `ops.sqrt(ops.var(x) + eps)`."),
    Row("logsumexp", "logsumexp of (-Inf, -Inf)"),
)  # fmt: skip

SECOND_NOTES = {
    "elu": ("PyTorch takes the first derivative from the left and the second from the right.", ""),
    "norm": ("Where the first derivative is defined as 0 the second may still be NaN, as in PyTorch: a penalty on a "
             "gradient (WGAN-GP, R1) that is zero then fails only in its own backward pass.",
             "the derivatives of `ops.norm` at 0 are 0 in every order."),
    "norm squared": ("The true second derivative is 2; no way through a norm has it.", "write `ops.sum(x * x)`."),
    "power 1": ("By the rule of powers it is 0 times infinity. An exponent that happens to be 1.0 is enough.", ""),
    "product with two zeros": ("tinygrad's second derivative is 0 here, where it is 3.", ""),
    "standard deviation": ("PyTorch's and tinygrad's zeros are no limit: the standard deviation has a kink here.",
                           "write `ops.sqrt(ops.var(x) + eps)`."),
    "median": ("", "minigen has no median: take elements of `ops.sort`."),
    "logsumexp": ("tinygrad's second derivative of what has no first is 0.", ""),
}  # fmt: skip

SECOND = tuple(Row(f"{row.key}, second", row.label, *SECOND_NOTES.get(row.key, ())) for row in FIRST)

TABLE = Table(
    name="kinks",
    title="Gradients at ties and kinks",
    text="The gradient of the sum of the result. At such points any number between the two slopes is a subgradient, "
    "and every library takes its own; Keras 3 takes those of its backend, here JAX. Bold: not minigen's.",
    port="results agree until an input is exactly at such a point: after relu, padding, clipping, or with weights at "
    "0. Look there first if losses agree and gradients do not.",
    parts=(
        Part("The first derivative:", FIRST),
        Part(
            "The second derivative, as the gradient of the sum of the first. Paddle has none of max, min, sort, "
            "median, norm, prod and logsumexp, and says so:",
            SECOND,
        ),
    ),
)

if __name__ == "__main__":
    run(TABLE)

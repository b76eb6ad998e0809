"""Integer indices beside floats, with repetitions."""

from minigen import ops

ORDER = 2


def case(rng):
    words, d = rng.integers(0, 4, rng.integers(3, 7)), rng.integers(1, 4)
    return lambda table, words: ops.tanh(ops.getitem(table, words)), [rng.standard_normal((4, d)), words]

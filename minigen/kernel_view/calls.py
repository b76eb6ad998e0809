"""Small calls of every kernel of the contract, for a reader: its arrays, as letters, and what goes with them.

``"N,C,L C C C C"``: the first array has three axes, four others have the length of its second. ``...`` is any shape,
the same wherever it stands; ``2h`` an even length; ``=n`` a number in the place of an array.

Imports: kernels. Read next: ``looking.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minigen_kernels.calls import NAMES, Shape, arguments_of

Sizes = Mapping[str, int]
Others = Callable[[Sizes], tuple[Any, ...]]

SIZES = {"N": 2, "C": 4, "G": 2, "H": 8, "W": 8, "h": 4, "w": 8, "K": 1, "kh": 3, "kw": 3, "L": 64, "R": 4, "D": 64,
         "n": 64, "m": 32, "M": 16}  # fmt: skip
ANY = (4, 64)  # what `...` is
SMALL = {"N": 1, "C": 1}  # of convolutions

ONE, TWO = (1, 1), (2, 2)
HALVES = (TWO, TWO, (0, 0))  # kernel, stride, padding of a pooling window


def _same(s: Sizes) -> tuple[Any, ...]:
    """The geometry of a convolution of stride 1, with half a kernel of padding."""
    p = s["kh"] // 2, s["kw"] // 2
    return (s["H"] + 2 * p[0] - s["kh"] + 1, s["W"] + 2 * p[1] - s["kw"] + 1), ONE, p, ONE, 1


def _transposed(s: Sizes) -> tuple[Any, ...]:
    p = s["kh"] // 2, s["kw"] // 2
    return (s["H"] - 2 * p[0] + s["kh"] - 1, s["W"] - 2 * p[1] + s["kw"] - 1), ONE, p, ONE, 1


def _halved(s: Sizes) -> tuple[Any, ...]:
    return ((s["H"] // 2, s["W"] // 2), *HALVES)


def _doubled(s: Sizes) -> tuple[int, int]:
    return 2 * s["h"], 2 * s["w"]


def _just(*others: Any) -> Others:
    return lambda _: others


def _draw(*more: Any) -> Others:
    return lambda s: (7, 1, 5, s["n"], *more)


CALLS: dict[str, tuple[str, Others]] = {
    "conv2d": ("N,C,H,W K,C,kh,kw", _same),
    "conv_transpose2d": ("N,K,H,W K,C,kh,kw", _transposed),
    "conv2d_weight_grad": ("N,C,H,W N,K,H,W", _just((3, 3), ONE, ONE, ONE, 1)),
    "conv2d_upsample": ("N,C,H,W K,C,kh,kw K", lambda s: (*_same(s), "leaky_relu", 0.0, TWO)),
    "max_pool2d": ("N,C,H,W", _halved),
    "bias_act_max_pool2d": ("N,C,H,W C", lambda s: ("leaky_relu", 0.2, *_halved(s))),
    "bias_act_max_pool2d_backward": (
        "N,C,h,w N,C,h,w N,C,h,w", lambda s: ("tanh", 0.0, _doubled(s), HALVES)),
    "plane_gather": ("N,C,H,W N,C,h,w", _just()),
    "plane_scatter": ("N,C,h,w N,C,h,w", lambda s: (_doubled(s), HALVES)),
    "avg_pool2d": ("N,C,H,W", lambda s: (*_halved(s), True)),
    "avg_pool2d_adjoint": ("N,C,h,w", lambda s: (_doubled(s), *HALVES, True)),
    "upsample_nearest2d": ("N,C,h,w", _just(TWO)),
    "block_sum2d": ("N,C,2h,2w", _just(TWO)),
    "bias_act_upsample_backward": ("N,C,2h,2w N,C,h,w", _just("sigmoid", 0.0, TWO)),
    "upsample_bilinear2d": ("N,C,h,w", _just(TWO)),
    "upsample_bilinear2d_adjoint": ("N,C,2h,2w", _just(TWO)),
    "interpolate_nearest2d": ("N,C,h,w", lambda s: (_doubled(s), (0.5, 0.5))),
    "interpolate_nearest2d_adjoint": ("N,C,2h,2w", lambda s: ((s["h"], s["w"]), (0.5, 0.5))),
    "interpolate_bilinear2d": ("N,C,h,w", lambda s: (_doubled(s), (0.5, 0.5), False)),
    "interpolate_bilinear2d_adjoint": ("N,C,2h,2w", lambda s: ((s["h"], s["w"]), (0.5, 0.5), False)),
    "batch_norm": ("N,C,L C C C C", _just(1e-5, 0.1, 1.0)),
    "batch_norm_backward": ("N,C,L N,C,L N,C,L C C C", _just(1e-5, 1.0)),
    "group_norm": ("N,C,L C C", lambda s: (s["G"], 1e-5)),
    "group_norm_backward": ("N,C,L N,C,L C N,G N,G", _just(1e-5)),
    "softmax": ("R,D", _just()),
    "softmax_backward": ("R,D R,D", _just()),
    "log_softmax": ("R,D", _just()),
    "log_softmax_backward": ("R,D R,D", _just()),
    "bce_with_logits": ("... ...", _just()),
    "bce_with_logits_sum": ("... ...", _just(0.3)),
    "bce_with_logits_sum_backward": ("() ... ...", _just(0.3)),
    "mse_sum": ("... ...", _just(0.3)),
    "mse_sum_backward": ("() ... ...", _just(0.3)),
    "huber_sum": ("... ...", _just(1.0, 0.3)),
    "huber_sum_backward": ("() ... ...", _just(1.0, 0.3)),
    "mse_act_sum": ("... ...", _just("sigmoid", 0.3)),
    "mse_act_sum_backward": ("() ... ...", _just("sigmoid", 0.3)),
    "gaussian_kl_sum": ("... ...", _just(0.3)),
    "gaussian_kl_sum_backward": ("() ... ...", _just(0.3)),
    "sigmoid": ("...", _just()),
    "softplus": ("...", _just()),
    "sum_axes": ("R,D", _just((1,), 1.0)),
    "score_statistics": ("n m", _just(0.5, True)),
    "mean_difference": ("n m", _just()),
    "mean_difference_backward": ("=n =m ()", lambda s: (s["n"], s["m"])),
    "unit_norm_penalty": ("N,C,L", _just()),
    "unit_norm_penalty_backward": ("() N,C,L N", _just()),
    "erf": ("...", _just()),
    "erfc": ("...", _just()),
    "exp_excess": ("...", _just()),
    "log_deficit": ("...", _just()),
    "sigmoid_backward": ("... ...", _just()),
    "tanh_backward": ("... ...", _just()),
    "linear_unit": ("...", _just("gelu")),
    "linear_unit_backward": ("... ...", _just("gelu")),
    "prelu": ("N,C,L C", _just()),
    "prelu_backward": ("N,C,L N,C,L C", _just()),
    "elu": ("...", _just(1.0, 1.0, 1.0)),
    "elu_backward": ("... ...", _just(1.0, 1.0, 1.0)),
    "mix": ("N,D N,D N", _just()),
    "reparameterize": ("... ... ...", _just()),
    "reparameterize_backward": ("... ... ...", _just()),
    "posterior_sample": ("N,D N,D D D", _just(15.0, 7, 1, 5, 0.3)),
    "posterior_sample_backward": ("N,D () N,D N,D N,D", _just(15.0, 0.3)),
    "matmul": ("M,D D,n", _just()),
    "bias_act": ("N,C,L C", _just("leaky_relu", 0.2)),
    "bias_act_backward": ("N,C,L N,C,L", _just("leaky_relu", 0.2)),
    "add": ("... ...", _just()),
    "scale_where": ("... ...", _just(0.2)),
    "leaky_relu": ("...", _just(0.2)),
    "leaky_relu_backward": ("... ...", _just(0.2)),
    "sgd_update": ("... ... ...", _just(0.1, 0.9, False, 0.01)),
    "rmsprop_update": ("... ... ... ...", _just(0.1, 0.9, 1e-8, 0.9, 0.01)),
    "adam_update": ("... ... ... ...", _just(3, 0.1, 0.9, 0.99, 1e-8, 0.01, True)),
    "clip_norm": ("...", _just(0.5)),
    "average_update": ("... ... ()", _just(0.9, 0)),
    "total_update": ("... ...", _just(3)),
    "philox": ("=n", _draw()),
    "uniform": ("=n", _draw()),
    "normal": ("=n", _draw()),
    "bernoulli": ("=n", _draw(0.4)),
    "permutation": ("=n", _draw()),
}  # fmt: skip


def arguments_for(name: str, shapes: Sequence[Shape], dtype: Any) -> list[Any]:
    """The arguments of a call of kernel `name`, with these shapes in the order of its arrays; the others follow.

    ValueError for a name that is no kernel's, or shapes that do not go together.
    """
    if name not in CALLS:
        raise ValueError(f"there is no kernel {name!r}; the kernels are {', '.join(NAMES)}")
    text, others = CALLS[name]
    specs = text.split(" ")
    asked = [spec for spec in specs if spec != "()"]
    sizes = {**SIZES, **(SMALL if name.startswith("conv") else {})}
    found: dict[str, int] = {}
    anything: Shape = ANY
    if len(shapes) > len(asked):
        raise ValueError(f"{name} takes {_in_words(asked)}; got {len(shapes)} shapes")
    for number, (spec, shape) in enumerate(zip(asked, shapes, strict=False), start=1):
        if spec == "...":
            if number > 1 and shape != anything:
                raise ValueError(f"{name}: shape {number} is {_text(shape)}, but all of its arrays have one shape")
            anything = tuple(shape)
            continue
        axes = spec.lstrip("=").split(",")
        if len(axes) != len(shape):
            raise ValueError(f"{name} takes {_in_words(asked)}; shape {number} is {_text(shape)}, which has "
                             f"{len(shape)} numbers for {spec.lstrip('=')}")  # fmt: skip
        for axis, size in zip(axes, shape, strict=True):
            letter = axis.lstrip("2")
            if axis != letter and size % 2:
                raise ValueError(f"{name}: shape {number} is {_text(shape)}, but {size} is odd: it is made of pairs")
            size = size // 2 if axis != letter else size
            if found.setdefault(letter, size) != size:
                raise ValueError(f"{name} takes {_in_words(asked)}; shape {number} is {_text(shape)}, but {letter} "
                                 f"is {found[letter]} before")  # fmt: skip
    sizes |= found
    arrays = [_shape(spec, sizes, anything) for spec in specs if not spec.startswith("=")]
    rest = others(sizes)
    if name.startswith(("conv", "max", "avg", "bias_act_max")) and min(_outside(rest)) < 1:
        raise ValueError(f"{name}: these shapes leave a result without cells; take a larger image")
    rng = np.random.default_rng(0)
    return arguments_of((name, arrays, rest), dtype, rng, lambda _, shape: rng.uniform(0.1, 1, shape))


def _outside(others: tuple[Any, ...]) -> tuple[int, ...]:
    """The lengths of a result among the other arguments."""
    return next((one for one in others if isinstance(one, tuple) and one and isinstance(one[0], int)), (1,))


def _shape(spec: str, sizes: Sizes, anything: Shape) -> Shape:
    if spec in ("()", "..."):
        return anything if spec == "..." else ()
    return tuple(sizes[a.lstrip("2")] * (2 if a.startswith("2") else 1) for a in spec.split(","))


def _in_words(specs: Sequence[str]) -> str:
    if not specs:
        return "no shapes"
    told = ["any shape, one for all" if spec == "..." else spec.lstrip("=") for spec in specs]
    return "the shape" + ("s " if len(set(told)) > 1 else " ") + " and ".join(dict.fromkeys(told))


def _text(shape: Shape) -> str:
    return ",".join(map(str, shape))

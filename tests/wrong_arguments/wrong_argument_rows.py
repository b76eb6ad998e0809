"""One valid call of every public name, with all of its arguments: `test_wrong_arguments.py` makes them wrong in turn.

Read next: ``test_wrong_arguments.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from wrong_arguments.wrong_argument_layers import INITS, LAYERS, OTHER_LAYERS, layer
from wrong_arguments.wrong_argument_row import WINDOW, Row, rng, t, whole
from wrong_arguments.wrong_argument_weights import WEIGHTS

import minigen as mg
from minigen import data, losses, nn, ops, optim
from minigen.autograd import Tensor

CONV = {"stride": 1, "padding": 1, "dilation": 1, "groups": 1, "activation": ops.relu}
AXIS = {"axis": 1, "keepdims": True}

OPS: dict[str, Callable[[], dict[str, Any]]] = {
    **dict.fromkeys(
        ("abs cos erf erfc exp expm1 hardswish log log1p mish relu selu sigmoid silu sin softplus sqrt tanh").split(),
        lambda: {"x": t(2, 3)},
    ),
    **dict.fromkeys(("argmax", "argmin"), lambda: {"x": t(2, 3), **AXIS}),
    **dict.fromkeys(("argsort", "sort"), lambda: {"x": t(2, 3), "axis": 1, "descending": True}),
    **dict.fromkeys(("max", "min", "mean", "sum", "prod", "logsumexp"), lambda: {"x": t(2, 3), **AXIS}),
    **dict.fromkeys(("softmax", "log_softmax", "cumsum"), lambda: {"x": t(2, 3), "axis": 1}),
    **dict.fromkeys(("maximum", "minimum", "logaddexp", "power"), lambda: {"a": t(2, 3), "b": t(2, 3)}),
    "norm": lambda: {"x": t(2, 3), **AXIS, "order": 1},
    "var": lambda: {"x": t(2, 3), **AXIS, "correction": 1},
    "avg_pool1d": lambda: {"x": t(2, 3, 4), **WINDOW, "ceil_mode": True, "count_include_pad": False},
    "avg_pool2d": lambda: {"x": t(2, 3, 4, 4), **WINDOW, "ceil_mode": True, "count_include_pad": False},
    "max_pool1d": lambda: {"x": t(2, 3, 4), **WINDOW, "ceil_mode": True},
    "max_pool2d": lambda: {"x": t(2, 3, 4, 4), **WINDOW, "ceil_mode": True},
    "max_pool2d_with_indices": lambda: {"x": t(2, 3, 4, 4), **WINDOW, "ceil_mode": True},
    "max_unpool2d": lambda: {"x": t(2, 3, 2, 2), "indices": whole(2, 3, 2, 2), **WINDOW, "output_size": (3, 3)},
    "batch_norm": lambda: {"x": t(4, 3), "w": t(3), "b": t(3), "eps": 1e-5, "activation": ops.relu},
    "batch_norm_with_statistics": lambda: {"x": t(4, 3), "w": t(3), "b": t(3), "eps": 1e-5},
    "batch_norm_inference": lambda: {"x": t(4, 3), "mean": t(3), "var": t(3), "w": t(3), "b": t(3), "eps": 1e-5},
    "layer_norm": lambda: {"x": t(4, 3), "w": t(3), "b": t(3), "eps": 1e-5},
    "group_norm": lambda: {"x": t(4, 4, 2), "num_groups": 2, "w": t(4), "b": t(4), "eps": 1e-5},
    "instance_norm": lambda: {"x": t(4, 4, 2), "w": t(4), "b": t(4), "eps": 1e-5},
    "bias_act": lambda: {"x": t(4, 3), "b": t(3), "activation": ops.tanh},
    "bias_act_max_pool2d": lambda: {"x": t(2, 3, 4, 4), "b": t(3), "activation": ops.tanh, **WINDOW, "ceil_mode": True},
    "broadcast_to": lambda: {"x": t(3), "shape": (2, 3)},
    "sum_to": lambda: {"x": t(2, 3), "shape": (3,)},
    "reshape": lambda: {"x": t(2, 3), "shape": (3, -1)},
    "flatten": lambda: {"x": t(2, 3, 4), "start_axis": 1},
    "transpose": lambda: {"x": t(2, 3), "axes": (1, 0)},
    "getitem": lambda: {"x": t(2, 3), "index": (0, slice(1))},
    "concat": lambda: {"xs": [t(2, 3), t(2, 3)], "axis": 1},
    "stack": lambda: {"xs": [t(2, 3), t(2, 3)], "axis": 1},
    "celu": lambda: {"x": t(2, 3), "alpha": 1.0},
    "elu": lambda: {"x": t(2, 3), "alpha": 1.0},
    "leaky_relu": lambda: {"x": t(2, 3), "slope": 0.1},
    "prelu": lambda: {"x": t(2, 3), "w": t(3)},
    "gelu": lambda: {"x": t(2, 3), "approximate": "tanh"},
    "clip": lambda: {"x": t(2, 3), "low": 0.0, "high": 1.0},
    "where": lambda: {"condition": Tensor(np.ones((2, 3), bool)), "a": t(2, 3), "b": t(2, 3)},
    "reparameterize": lambda: {"mean": t(2, 3), "logvar": t(2, 3), "noise": t(2, 3)},
    "conv1d": lambda: {"x": t(2, 3, 5), "w": t(4, 3, 3), "b": t(4), **CONV},
    "conv2d": lambda: {"x": t(2, 3, 5, 5), "w": t(4, 3, 3, 3), "b": t(4), **CONV, "upsample": 2},
    "conv_transpose1d": lambda: {"x": t(2, 3, 5), "w": t(3, 4, 3), "b": t(4), **CONV, "output_padding": 0},
    "conv_transpose2d": lambda: {"x": t(2, 3, 5, 5), "w": t(3, 4, 3, 3), "b": t(4), **CONV, "output_padding": 0},
    "conv2d_weight_grad": lambda: {
        "x": t(2, 3, 5, 5), "g": t(2, 4, 5, 5), "kernel_size": 3, "stride": 1, "padding": 1, "dilation": 1, "groups": 1,
    },
    "embedding": lambda: {"indices": whole(2, 3), "w": t(4, 3), "padding_idx": 1},
    "interpolate": lambda: {
        "x": t(2, 3, 4, 4), "size": (2, 3), "scale_factor": None, "mode": "bilinear", "align_corners": True,
    },
    "upsample": lambda: {"x": t(2, 3, 4, 4), "scale_factor": 2, "mode": "bilinear"},
    "linear": lambda: {"x": t(2, 3), "w": t(4, 3), "b": t(4), "activation": ops.relu},
    "matmul": lambda: {"a": t(2, 3), "b": t(3, 4)},
    "pad": lambda: {"x": t(2, 3), "pads": [(1, 1), (0, 1)], "value": 1.0, "mode": "constant"},
    "pixel_shuffle": lambda: {"x": t(2, 4, 3, 3), "upscale_factor": 2},
    "pixel_unshuffle": lambda: {"x": t(2, 3, 4, 4), "downscale_factor": 2},
}  # fmt: skip


def pair_of(*shape: int) -> dict[str, Any]:
    return {"prediction": t(*shape), "target": t(*shape)}


LOSSES: dict[str, Callable[[], dict[str, Any]]] = {
    "bce": lambda: {**pair_of(2, 3), "weight": t(3), "reduction": "sum"},
    "bce_with_logits": lambda: {
        "logits": t(2, 3), "target": t(2, 3), "pos_weight": 2.0, "weight": t(3), "reduction": "sum",
    },
    "bernoulli_kl": lambda: {"p": t(2, 3), "q": t(2, 3), "reduction": "sum"},
    "categorical_kl": lambda: {"p_logits": t(2, 3), "q_logits": t(2, 3), "reduction": "sum"},
    "cross_entropy": lambda: {
        "logits": t(2, 3), "labels": whole(2), "weight": t(3), "ignore_index": 7, "label_smoothing": 0.1,
        "reduction": "sum",
    },
    "gaussian_kl": lambda: {"mu": t(2, 3), "logvar": t(2, 3), "reduction": "sum"},
    "gaussian_kl_between": lambda: {
        "mu1": t(2, 3), "logvar1": t(2, 3), "mu2": t(2, 3), "logvar2": t(2, 3), "reduction": "sum",
    },
    "gaussian_nll": lambda: {"mean": t(2, 3), "target": t(2, 3), "var": t(2, 3), "logvar": None, "reduction": "sum"},
    "huber": lambda: {**pair_of(2, 3), "delta": 1.0, "reduction": "sum"},
    "kl_sparsity": lambda: {"code": t(2, 3), "rho": 0.1},
    "l1": lambda: {**pair_of(2, 3), "reduction": "sum"},
    "l1_activity": lambda: {"code": t(2, 3), "reduction": "sum"},
    "l1_penalty": lambda: {"parameters": [t(3)]},
    "l2_penalty": lambda: {"parameters": [t(3)]},
    "mse": lambda: {**pair_of(2, 3), "activation": ops.tanh, "reduction": "sum"},
    "unit_norm_penalty": lambda: {"g": t(2, 3)},
    "wasserstein_critic": lambda: {"real": t(3), "fake": t(2)},
}  # fmt: skip


def stepped(name: str) -> Callable[..., Any]:
    """Make the optimizer and take a step with it."""

    def call(params: Any, **settings: Any) -> Any:
        optimizer = getattr(optim, name)(params, **settings)
        for p in optimizer.params:
            p.grad = Tensor(np.ones(p.shape, p.dtype))
        optimizer.step()
        return optimizer

    return call


OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "RMSprop": {"lr": 0.1, "alpha": 0.9, "eps": 1e-8, "momentum": 0.1, "weight_decay": 0.1},
    "Adam": {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1},
    "AdamW": {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1},
}


def with_gradient() -> list[Tensor]:
    p = t(3)
    p.grad = Tensor(np.ones(3, np.float32))
    return [p]


def adam() -> optim.Adam:
    return optim.Adam([t(3)])


def loading(**changed: Any) -> None:
    """A state of Adam of which one entry is something else."""
    names = {"lr": "lr", "m": "0.m", "v": "0.v"}
    adam().load_state_dict({**adam().state_dict(), **{names[k]: v for k, v in changed.items()}})


OPTIM = [
    Row("optim.clip_grad_norm", optim.clip_grad_norm, lambda: {"params": with_gradient(), "max_norm": 1.0}),
    Row("optim.clip_grad_value", optim.clip_grad_value, lambda: {"params": with_gradient(), "limit": 1.0}),
    Row("optim.constant_schedule", optim.constant_schedule, lambda: {"lr": 0.1}),
    Row("optim.step_schedule", optim.step_schedule, lambda: {"lr": 0.1, "step_size": 2, "gamma": 0.1}),
    Row("optim.exponential_schedule", optim.exponential_schedule, lambda: {"lr": 0.1, "gamma": 0.1}),
    Row("optim.cosine_schedule", optim.cosine_schedule, lambda: {"lr": 0.1, "total": 9, "min_lr": 0.0, "warmup": 2}),
    Row("optim.Adam.load_state_dict", lambda state: adam().load_state_dict(state),
        lambda: {"state": adam().state_dict()}),
    Row("optim.Adam.load_state_dict (an entry)", loading,
        lambda: {"lr": np.array(0.1), "m": np.zeros(3, np.float32), "v": np.zeros(3, np.float32)}),
    Row("optim.Adam.lr", lambda lr: setattr(adam(), "lr", lr), lambda: {"lr": 0.1}),
]  # fmt: skip


def dataset(**changed: Any) -> Any:
    given = {"name": "n", "split": "train", "images": np.zeros((4, 2, 2, 1), np.uint8), **changed}
    return data.Dataset(**given)


def batches(**given: Any) -> Any:
    return next(iter(data.Batches(**given)))


DATA = [
    Row("data.Dataset", data.Dataset, lambda: {
        "name": "n", "split": "train", "images": np.zeros((4, 2, 2, 1), np.uint8), "labels": np.arange(4) % 2,
        "classes": ("a", "b"), "factors": {"f": np.arange(4)}, "value_range": (0.0, 1.0), "notes": ()}),
    Row("data.Batches", batches, lambda: {
        "dataset": dataset(), "batch_size": 2, "seed": 0, "shuffle": True, "drop_last": False,
        "workers": 1}),
    Row("data.load", data.load, lambda: {
        "name_or_path": "glyphs", "split": "test", "data_dir": None, "seed": 0, "image_size": None,
        "image_channels": None, "image_alpha": "white", "image_fit": "crop", "image_range": None, "labels": None,
        "letters": False, "count": 2, "stream": None, "rules": 2}),
    Row("data.read_idx", data.read_idx, lambda: {"path": IDX}),
]  # fmt: skip

IDX = ""  # a file that the test writes
SAVED = ""  # and another
ONNX = ""  # and another


def seeded(name: str) -> Callable[..., Any]:
    return lambda **given: getattr(rng(), name)(**given)


def restored(state: Any) -> None:
    rng().state = state


def explained(x: Any) -> Any:
    """A step without a network."""
    return (Tensor(np.ones(2, np.float32), requires_grad=True) * 2).sum()


def x_of(name: str) -> Callable[..., Any]:
    """A method of a Tensor (2, 3)."""
    return lambda **given: getattr(t(2, 3), name)(**given)


MINIGEN = [
    Row("mg.Tensor", Tensor, lambda: {"data": [1.0], "requires_grad": True, "device": "cpu", "dtype": "float32"}),
    Row("mg.Tensor.to", x_of("to"), lambda: {"device": "cpu", "dtype": "float64"}),
    Row("mg.Tensor.sum", x_of("sum"), lambda: {"axis": 0, "keepdims": True}),
    Row("mg.Tensor.mean", x_of("mean"), lambda: {"axis": 0, "keepdims": True}),
    Row("mg.Tensor.reshape", lambda shape: t(2, 3).reshape(shape), lambda: {"shape": (3, 2)}),
    Row("mg.Tensor.transpose", lambda axes: t(2, 3).transpose(axes), lambda: {"axes": (1, 0)}),
    Row("mg.Tensor.backward", lambda gy: t(2, 3).sum(0).backward(gy), lambda: {"gy": Tensor(np.ones(3, np.float32))}),
    Row("mg.grad", lambda y, xs, gy, create_graph: mg.grad(y, xs, gy, create_graph=create_graph), lambda: (
        lambda x: {"y": x * 2, "xs": [x], "gy": Tensor(np.ones(3, np.float32)), "create_graph": True})(t(3))),
    Row("mg.Generator", mg.Generator, lambda: {"seed": 0, "stream": 0, "device": "cpu"}),
    Row("mg.Generator.state", restored, lambda: {"state": rng().state}),
    Row("mg.Generator.spawn", seeded("spawn"), lambda: {"stream": 1}),
    Row("mg.Generator.uniform", seeded("uniform"),
        lambda: {"shape": (2,), "low": 0.0, "high": 1.0, "dtype": "float32"}),
    Row("mg.Generator.normal", seeded("normal"), lambda: {"shape": (2,), "mean": 0.0, "std": 1.0, "dtype": "float32"}),
    Row("mg.Generator.bernoulli", seeded("bernoulli"), lambda: {"p": 0.5, "shape": (2,), "dtype": "float32"}),
    Row("mg.Generator.integers", seeded("integers"), lambda: {"low": 0, "high": 5, "shape": (2,)}),
    Row("mg.Generator.permutation", seeded("permutation"), lambda: {"n": 5}),
    Row("mg.save", mg.save, lambda: {"module_or_state": {"a": np.ones(3)}, "path": SAVED, "metadata": {"a": "b"}}),
    Row("mg.save (an entry)", lambda entry: mg.save({"a": entry}, SAVED), lambda: {"entry": np.ones(3)}),
    Row("mg.load", mg.load, lambda: {"path": SAVED}),
    *([Row("onnx.load", mg.onnx.load, lambda: {"path": ONNX})] if find_spec("onnx.helper") else []),
    Row("mg.set_num_threads", mg.set_num_threads, lambda: {"n": 1}),
    Row("mg.capture", mg.capture, lambda: {"step": len, "check": True}),
    Row("mg.compile", mg.compile, lambda: {"step": len}),
    Row("mg.explain_step", lambda fn, x, steps: mg.explain_step(fn, x, steps=steps),
        lambda: {"fn": explained, "x": t(2, 3), "steps": 1}),
    Row("mg.draw", mg.draw, lambda: {
        "y": t(2, 3) * 2.0, "path": SAVED + ".svg", "names": {"x": t(2)}, "values": True, "collapse": False}),
    Row("mg.gradcheck", lambda fn, x, **given: mg.gradcheck(fn, x, **given), lambda: {
        "fn": ops.tanh, "x": np.ones(2), "order": 1, "wrt": [0], "seed": 0, "rtol": None, "atol": None, "draws": 2,
        "directions": 2, "max_elements": 9, "allow_zero": False, "dtype": "float64", "self_test": False,
        "derivative_of": None, "raise_on_failure": True}),
]  # fmt: skip

ROWS = [
    *(Row(f"ops.{name}", getattr(ops, name), make, name.partition("_with_")[0]) for name, make in OPS.items()),
    Row("ops.einsum", lambda subscripts, a, b: ops.einsum(subscripts, a, b),
        lambda: {"subscripts": "ij,jk->ik", "a": t(2, 3), "b": t(3, 4)}),
    *(Row(f"losses.{name}", getattr(losses, name), make) for name, make in LOSSES.items()),
    *(Row(f"nn.{name}", layer(name), lambda given=given, shape=shape: {**given, "x": t(*shape)})
      for name, (given, shape) in LAYERS.items()),
    *OTHER_LAYERS,
    *(Row(f"nn.init.{name}", getattr(nn.init, name),
          lambda given=given: {"shape": (3, 2), **given, **({"rng": rng()} if "rng" in given else {})})
      for name, given in INITS.items()),
    *(Row(f"optim.{name}", stepped(name), lambda given=given: {"params": [t(3)], **given})
      for name, given in OPTIMIZERS.items()),
    *OPTIM,
    *DATA,
    *MINIGEN,
    *WEIGHTS,
]  # fmt: skip

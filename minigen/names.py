"""Names of PyTorch and NumPy, answered with what is written here: for people who know those and guess.

Nothing is an alias. An unknown name is an AttributeError, as everywhere in Python; its text says what to write.

Imports: nothing. Read next: ``minigen/__init__.py``, then ``autograd/protocols.py``, where they are asked.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, ModuleType
from typing import Any

ROOMS = ("ops", "nn", "losses", "optim")

_NUMPY = "mg.Tensor(np.{0}(x.numpy())), a constant without gradient"
_ARRAY = "mg.Tensor(np.{0}({1}, dtype=np.float32))"
_DRAWN = "mg.Tensor(mg.Generator(seed).{0})"

#: What PyTorch or NumPy calls so, in any of its rooms.
INSTEAD: dict[str, str] = {
    # Making Tensors.
    **dict.fromkeys(("tensor", "as_tensor", "from_numpy", "FloatTensor", "asarray", "array"), "mg.Tensor(array)"),
    **{name: _ARRAY.format(name, "shape") for name in ("zeros", "ones", "empty")},
    "full": _ARRAY.format("full", "shape, value"),
    "eye": _ARRAY.format("eye", "n"),
    "arange": _ARRAY.format("arange", "n"),
    "linspace": _ARRAY.format("linspace", "start, stop, n"),
    "zeros_like": "mg.Tensor(np.zeros(x.shape, x.dtype))",
    "ones_like": "mg.Tensor(np.ones(x.shape, x.dtype))",
    "full_like": "mg.Tensor(np.full(x.shape, value, x.dtype))",
    "randn": _DRAWN.format("normal(shape)"),
    "rand": _DRAWN.format("uniform(shape)"),
    "randn_like": _DRAWN.format("normal(x.shape)"),
    "rand_like": _DRAWN.format("uniform(x.shape)"),
    "randperm": "mg.Generator(seed).permutation(n)",
    "bernoulli": _DRAWN.format("bernoulli(p, shape)"),
    "seed": "mg.manual_seed(seed)",
    # Shapes.
    **dict.fromkeys(("view", "view_as", "reshape_as", "squeeze", "unflatten", "ravel"), "x.reshape(shape)"),
    **dict.fromkeys(("permute", "swapaxes", "moveaxis", "movedim"), "x.transpose(axes), all in their new order"),
    "t": "x.T",
    **dict.fromkeys(("cat", "concatenate"), "ops.concat(xs, axis)"),
    "hstack": "ops.concat(xs, axis=1)",
    "vstack": "ops.concat(xs, axis=0)",
    **dict.fromkeys(("unsqueeze", "expand_dims"), "x[None] or x[:, None]: None is a new axis"),
    **dict.fromkeys(("expand", "expand_as"), "ops.broadcast_to(x, shape)"),
    **dict.fromkeys(("repeat", "tile"), "ops.concat([x] * n, axis)"),
    **dict.fromkeys(("split", "chunk", "narrow", "select", "unbind"), "x[start:stop], for each part"),
    **dict.fromkeys(("gather", "take", "take_along_dim"), "x[rows, columns], with arrays of positions"),
    **dict.fromkeys(("index_select", "masked_select"), "x[index]"),
    **dict.fromkeys(("masked_fill", "masked_fill_"), "ops.where(mask, value, x)"),
    "contiguous": "x alone: every operation takes any strides",
    # Numbers.
    **dict.fromkeys(("clamp", "hardtanh"), "ops.clip(x, low, high)"),
    "clamp_min": "ops.clip(x, low)",
    "clamp_max": "ops.clip(x, high=high)",
    "relu6": "ops.clip(x, 0, 6)",
    **dict.fromkeys(("mm", "bmm", "mv", "dot"), "a @ b"),
    "addmm": "c + a @ b",
    "outer": "a[:, None] * b",
    "add": "a + b",
    **dict.fromkeys(("sub", "subtract"), "a - b"),
    **dict.fromkeys(("mul", "multiply"), "a * b"),
    **dict.fromkeys(("div", "divide", "true_divide"), "a / b"),
    "floor_divide": "a // b",
    **dict.fromkeys(("remainder", "fmod", "mod"), "a % b"),
    **dict.fromkeys(("neg", "negative"), "-x"),
    **dict.fromkeys(("pow", "float_power"), "x ** n"),
    "square": "x ** 2",
    "rsqrt": "x ** -0.5",
    "reciprocal": "1 / x",
    "exp2": "2 ** x",
    **dict.fromkeys(("absolute", "fabs"), "ops.abs(x)"),
    **dict.fromkeys(("amax", "fmax"), "ops.max(x, axis)"),
    **dict.fromkeys(("amin", "fmin"), "ops.min(x, axis)"),
    "std": "ops.var(x, axis, correction=1) ** 0.5",
    "expit": "ops.sigmoid(x)",
    "logsigmoid": "-ops.softplus(-x)",
    "normalize": "x / ops.norm(x, axis, keepdims=True)",
    "linalg": "ops.norm and ops.matmul",
    **dict.fromkeys(("eq", "equal"), "a == b"),
    **dict.fromkeys(("ne", "not_equal"), "a != b"),
    **dict.fromkeys(("lt", "less"), "a < b"),
    **dict.fromkeys(("le", "less_equal"), "a <= b"),
    **dict.fromkeys(("gt", "greater"), "a > b"),
    **dict.fromkeys(("ge", "greater_equal"), "a >= b"),
    **dict.fromkeys(("logical_and", "bitwise_and"), "a & b"),
    **dict.fromkeys(("logical_or", "bitwise_or"), "a | b"),
    **dict.fromkeys(("logical_not", "bitwise_not", "invert"), "~x"),
    **{name: _NUMPY.format(name) for name in ("floor", "ceil", "trunc", "sign", "isnan", "isfinite", "isinf")},
    **{name: _NUMPY.format(name) for name in ("unique", "cumprod", "searchsorted")},
    **{name: _NUMPY.format(name) for name in ("all", "any", "median", "histogram")},
    "round": "round(x, n) for one number, else " + _NUMPY.format("round"),
    "topk": "ops.sort(x, axis) or ops.argsort(x, axis), and a slice of it",
    # Layers.
    "Linear": "nn.Dense(in_features, out_features)",
    "ReLU": "ops.relu: nn.Sequential takes functions as they are",
    "LeakyReLU": "functools.partial(ops.leaky_relu, slope=0.2): nn.Sequential takes functions as they are",
    **{name: f"ops.{name.lower()}: nn.Sequential takes functions as they are"
       for name in ("Sigmoid", "Tanh", "GELU", "SiLU", "ELU", "Softplus", "Softmax")},
    "LogSoftmax": "ops.log_softmax: nn.Sequential takes functions as they are",
    "Hardtanh": "functools.partial(ops.clip, low=-1, high=1): nn.Sequential takes functions as they are",
    "Identity": "lambda x: x: nn.Sequential takes functions as they are",
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d"), "nn.BatchNorm(num_features)"),
    "Unflatten": "nn.Reshape(shape)",
    **dict.fromkeys(("UpsamplingNearest2d", "UpsamplingBilinear2d"), "nn.Upsample(scale_factor, mode)"),
    **dict.fromkeys(("AdaptiveAvgPool2d", "adaptive_avg_pool2d"), "ops.mean(x, (2, 3), keepdims=True)"),
    "ZeroPad2d": "functools.partial(ops.pad, pads=pads): nn.Sequential takes functions as they are",
    **dict.fromkeys(("ModuleList", "ParameterList"), "a list of them, self.layers = [...]"),
    **dict.fromkeys(("ModuleDict", "ParameterDict"), "a dict of them, self.layers = {...}"),
    "functional": "minigen.ops, and losses in minigen.losses",
    "functional_call": "nn.functional_copy(module, tensors)(x)",
    "replaced": "nn.functional_copy(module, tensors)",
    "dropout": "nn.Dropout(p)",
    "upsample_nearest": 'ops.interpolate(x, size, mode="nearest")',
    "utils": "optim.clip_grad_norm, nn.SpectralNorm and minigen.data",
    # Losses.
    "binary_cross_entropy_with_logits": "losses.bce_with_logits(logits, target)",
    "BCEWithLogitsLoss": "losses.bce_with_logits(logits, target)",
    **dict.fromkeys(("binary_cross_entropy", "BCELoss"), "losses.bce(prediction, target)"),
    **dict.fromkeys(("mse_loss", "MSELoss"), "losses.mse(prediction, target)"),
    **dict.fromkeys(("l1_loss", "L1Loss"), "losses.l1(prediction, target)"),
    **dict.fromkeys(("smooth_l1_loss", "huber_loss", "SmoothL1Loss", "HuberLoss"), "losses.huber(prediction, target)"),
    **dict.fromkeys(("CrossEntropyLoss", "nll_loss", "NLLLoss"), "losses.cross_entropy(logits, labels)"),
    **dict.fromkeys(("gaussian_nll_loss", "GaussianNLLLoss"), "losses.gaussian_nll(mean, target, var=var)"),
    **dict.fromkeys(("kl_div", "KLDivLoss"), "losses.categorical_kl, losses.bernoulli_kl or losses.gaussian_kl"),
    "one_hot": "mg.Tensor(np.eye(classes, dtype=np.float32)[labels])",
    # Training.
    "lr_scheduler": "optim.cosine_schedule and its like, functions of the step: opt.lr = schedule(k)",
    "StepLR": "optim.step_schedule: opt.lr = schedule(k)",
    "ExponentialLR": "optim.exponential_schedule: opt.lr = schedule(k)",
    **dict.fromkeys(("CosineAnnealingLR", "OneCycleLR"), "optim.cosine_schedule: opt.lr = schedule(k)"),
    **dict.fromkeys(("LambdaLR", "ReduceLROnPlateau"), "opt.lr = rate, at any step"),
    "clip_grad_norm_": "optim.clip_grad_norm(params, limit)",
    "clip_grad_value_": "optim.clip_grad_value(params, limit)",
    **dict.fromkeys(("inference_mode", "set_grad_enabled"), "mg.no_grad()"),
    "enable_grad": "code outside of mg.no_grad()",
    "autograd": "mg.autograd: mg.grad, mg.Function and mg.no_grad",
    **dict.fromkeys(("float32", "float64", "int64", "int32", "uint8"), "the dtypes of NumPy, such as np.float32"),
    **dict.fromkeys(("float", "double", "half", "long", "bool", "int"), "the dtypes of NumPy, such as np.float32"),
    "device": 'the name of the device, "cpu" or "cuda"',
    "cuda": 'mg.cuda_status(), and device="cuda"',
    "set_default_dtype": "x.to(dtype=np.float64) or module.to(dtype=np.float64)",
}  # fmt: skip

#: What PyTorch and torchvision have for data.
OF_DATA: dict[str, str] = {
    **dict.fromkeys(("DataLoader", "Dataset", "TensorDataset"), "minigen.data.Batches and minigen.data.Dataset"),
    **dict.fromkeys(("datasets", "ImageFolder", "MNIST", "FashionMNIST"), "minigen.data.load(name or path)"),
    **dict.fromkeys(("random_split", "Subset"), "dataset.subset(positions)"),
}

#: What is no part of `minigen` until it is imported.
OF_MINIGEN: dict[str, str] = {
    **{
        name: f"import minigen.{name} first"
        for name in ("data", "inventory", "metrics", "models", "testing", "training")
    },
    **OF_DATA,
}

#: What a Tensor has under another name.
OF_TENSORS: dict[str, str] = {
    "cuda": 'x.to("cuda")',
    "cpu": 'x.to("cpu")',
    "type": "x.to(dtype=np.float64)",
    "astype": "x.to(dtype=np.float64)",
    "float": "x.to(dtype=np.float32)",
    "double": "x.to(dtype=np.float64)",
    "half": "x.to(dtype=np.float32): float16 is not supported",
    "long": "x.to(dtype=np.int64)",
    "int": "x.to(dtype=np.int32), or int(x) of one number",
    "bool": "x != 0",
    "tolist": "x.numpy().tolist()",
    "requires_grad_": "mg.Tensor(array, requires_grad=True)",
    "grad_fn": "x.node",
    "is_leaf": "x.node is None",
    "retain_grad": "mg.grad(y, [x])",
    "register_hook": "mg.grad(y, [x])",
    "dim": "x.ndim",
    "numel": "x.size",
    "nelement": "x.size",
    "clone": "x * 1, or copy.deepcopy(x) of a leaf",
    "copy": "x * 1, or copy.deepcopy(x) of a leaf",
    "detach_": "x.detach()",
    "is_cuda": 'x.device == "cuda"',
    "new_zeros": INSTEAD["zeros"],
    "new_ones": INSTEAD["ones"],
}

#: What a Module has under another name.
OF_MODULES: dict[str, str] = {
    "cuda": 'module.to("cuda")',
    "cpu": 'module.to("cpu")',
    "float": "module.to(dtype=np.float32)",
    "double": "module.to(dtype=np.float64)",
    "half": "module.to(dtype=np.float32): float16 is not supported",
    "modules": "module.named_modules()",
    "named_children": "module.children()",
    "buffers": "module.state_dict()",
    "named_buffers": "module.state_dict()",
    "apply": "a loop over module.named_modules()",
    "register_buffer": "self.name = mg.Tensor(array): a Tensor that is an attribute is a buffer",
    "register_parameter": "self.name = nn.Parameter(array)",
    "add_module": "self.name = layer",
    "follow": "average.update(network), of a nn.MovingAverage",
    "register_forward_hook": "a layer of your own that calls this one; there are no hooks",
}


#: What an Optimizer has under another name.
OF_OPTIMIZERS: dict[str, str] = {
    "param_groups": "opt.groups, to be read; opt.lr = rate moves the rates of all groups",
    "add_param_group": "a new optimizer of all groups: optim.Adam([{...}, {...}])",
    "defaults": "opt.lr, and the other settings by their names",
    "state": "opt.states",
}


def instead(name: str, own: Mapping[str, str] = MappingProxyType({}), near: Sequence[str] = ()) -> str:
    """What to write in the place of an unknown name, as the end of a sentence; "" if nothing is known.

    `own` are answers that come before those of `INSTEAD`, `near` the names that may have been misspelt.
    """
    answer = own.get(name) or INSTEAD.get(name) or _in_a_room(name, str)
    if answer:
        return f"; write {answer}"
    if name.endswith("_"):  # what PyTorch does in place
        rest = instead(name[:-1], own).replace("; ", ", ") or ", so use an operation that gives a new Tensor"
        return f"; nothing changes in place{rest}"
    answer = next((INSTEAD[other] for other in INSTEAD if _plain(other) == _plain(name)), None)
    answer = answer or _in_a_room(name, _plain) or next(iter(difflib.get_close_matches(name, near, 1, 0.75)), None)
    return f"; write {answer}" if answer else ""


def asked_of_module(module: str, own: Mapping[str, str] = MappingProxyType({})) -> Callable[[str], Any]:
    """A ``__getattr__`` for the package `module`: AttributeError, with what to write if that is known."""

    def unknown(name: str) -> Any:
        here = sys.modules[module]
        known = "" if name.startswith("__") else instead(name, own, here.__all__)
        raise AttributeError(f"module {module!r} has no attribute {name!r}{known}", name=name, obj=here)

    return unknown


class _Module(ModuleType):
    """A module whose name PyTorch has for something that is called."""

    def __call__(self, *_: Any, **__: Any) -> Any:
        name = self.__name__
        raise TypeError(f"{name} is a module and cannot be called{instead(name.rpartition('.')[2])}")


def answer_calls(*modules: ModuleType) -> None:
    """Let these modules say what to write when they are called, as in ``mg.tensor([1.0])``."""
    for module in modules:
        module.__class__ = _Module


class _Answer:
    """An attribute of a class that is not there, and says what is. (A `__getattr__` would make all others slower.)"""

    def __init__(self, name: str, own: Mapping[str, str]) -> None:
        self.name, self.own = name, own

    def __get__(self, one: object, owner: type) -> Any:
        text = f"{owner.__name__!r} object has no attribute {self.name!r}{instead(self.name, self.own)}"
        raise AttributeError(text, name=self.name, obj=one)


def answer_attributes(owner: type, own: Mapping[str, str], names: Iterable[str] = ()) -> None:
    """Let objects of a class say what to write for attributes that they do not have: those of `own`, and `names`.

    ``dir`` does not show them, nor does what completes names by it.
    """
    for name in {*own, *names}:
        if not hasattr(owner, name):
            setattr(owner, name, _Answer(name, own))
    answers = {name for name, value in vars(owner).items() if isinstance(value, _Answer)}
    owner.__dir__ = lambda one: {*object.__dir__(one)} - answers  # type: ignore


def _in_a_room(name: str, plain: Callable[[str], str]) -> str | None:
    """The name in the room that has it, as `plain` sees it; a class rather for a name that begins as classes do."""
    found = [(room, n) for room in ROOMS for n in getattr(sys.modules.get(f"minigen.{room}"), "__all__", ())]
    found = [(room, n) for room, n in found if plain(n) == plain(name)]
    found.sort(key=lambda place: place[1][0].isupper() != name[0].isupper())
    return ".".join(found[0]) if found else None


def _plain(name: str) -> str:
    return name.lower().replace("_", "")

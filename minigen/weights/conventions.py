"""The table: what a layer is called in PyTorch and in Keras, how each stores its numbers, and what else differs.

All conversions go by it, the page ``docs/weights.md`` prints it, and ``tests/weights`` holds it to the real libraries.

Imports: nn. Read next: ``slots.py`` for PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass

from minigen import nn

COUNTER = "num_batches_tracked"  # a counter that PyTorch keeps beside running statistics

#: Entries of `SpectralNorm`: PyTorch's names now (``torch.nn.utils.parametrizations``), and before that.
SPECTRAL = {
    "layer.weight": ("parametrizations.weight.original", "weight_orig"),
    "layer.bias": ("bias",),
    "u": ("parametrizations.weight.0._u", "weight_u"),
    "v": ("parametrizations.weight.0._v", "weight_v"),
}


@dataclass(frozen=True)
class Entry:
    """A parameter or buffer of a layer: its name and shape here, as in PyTorch; its name and shape in Keras.

    `axes`: Keras' array is ``own.transpose(axes)``; () if they are alike.
    """

    own: str
    shape: str
    keras: str
    keras_shape: str
    axes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Setting:
    """A setting that is no weight: its name here and in PyTorch, its name in Keras, and Keras' default.

    `complement`: Keras' number is 1 minus that of PyTorch.
    """

    own: str
    keras: str
    default: float
    keras_default: float
    complement: bool = False

    def to_keras(self, value: float) -> float:
        """What Keras calls `value`; the same function leads back, to the digit: 0.1 is 0.9 and 0.1 again."""
        return round(1 - value, 12) if self.complement else value


@dataclass(frozen=True)
class Convention:
    """A row: the layer, its names in PyTorch and Keras, its entries in the order of Keras' file, and what else differs.

    Entries have the same names and shapes in PyTorch, but for `SPECTRAL`.
    """

    layer: type[nn.Module]
    torch: str
    keras: str
    entries: tuple[Entry, ...]
    settings: tuple[Setting, ...] = ()
    torch_differs: str = "nothing"
    keras_differs: str = "nothing"


def _same(own: str, shape: str, keras: str) -> Entry:
    return Entry(own, shape, keras, shape)


def _bias(own: str = "out") -> Entry:
    return _same("bias", f"({own},)", "bias")


def _scale_and_shift(shape: str) -> tuple[Entry, Entry]:
    return _same("weight", shape, "gamma"), _same("bias", shape, "beta")


_EPS = Setting("eps", "epsilon", 1e-5, 1e-3)

CONVENTIONS = (
    Convention(
        nn.Dense, "Linear", "Dense",
        (Entry("weight", "(out, in)", "kernel", "(in, out)", (1, 0)), _bias()),
        keras_differs="Behind a Flatten, and in front of a Reshape, features stand in the order of the pixels: "
        "channels first here, last in Keras. Rows and columns are permuted with them",
    ),
    Convention(
        nn.Conv2d, "Conv2d", "Conv2D",
        (Entry("weight", "(out, in/groups, kh, kw)", "kernel", "(kh, kw, in/groups, out)", (2, 3, 1, 0)), _bias()),
        torch_differs="`padding=\"same\"` with a stride, which PyTorch does not have",
        keras_differs="A padding in pixels is a ZeroPadding2D before it: Keras' \"same\" pads less in front",
    ),
    Convention(
        nn.Conv1d, "Conv1d", "Conv1D",
        (Entry("weight", "(out, in/groups, k)", "kernel", "(k, in/groups, out)", (2, 1, 0)), _bias()),
        torch_differs="as Conv2d", keras_differs="as Conv2d",
    ),
    Convention(
        nn.ConvTranspose2d, "ConvTranspose2d", "Conv2DTranspose",
        (Entry("weight", "(in, out/groups, kh, kw)", "kernel", "(kh, kw, out, in)", (2, 3, 1, 0)), _bias()),
        torch_differs="`padding=\"same\"`, which PyTorch does not have",
        keras_differs="A padding in pixels is a Cropping2D behind it; no groups, no stride and dilation at once",
    ),
    Convention(
        nn.ConvTranspose1d, "ConvTranspose1d", "Conv1DTranspose",
        (Entry("weight", "(in, out/groups, k)", "kernel", "(k, out, in)", (2, 1, 0)), _bias()),
        torch_differs="as ConvTranspose2d", keras_differs="as ConvTranspose2d",
    ),
    Convention(
        nn.Embedding, "Embedding", "Embedding", (_same("weight", "(num, dim)", "embeddings"),),
        keras_differs="no row for padding that stays 0",
    ),
    Convention(
        nn.BatchNorm, "BatchNorm1d, BatchNorm2d", "BatchNormalization",
        (
            *_scale_and_shift("(C,)"),
            _same("running_mean", "(C,)", "moving_mean"),
            _same("running_var", "(C,)", "moving_variance"),
        ),
        (_EPS, Setting("momentum", "momentum", 0.1, 0.99, complement=True)),
        torch_differs=f"PyTorch also keeps `{COUNTER}`: written as 0, not read",
        keras_differs="Of a batch of n Keras keeps the biased variance, smaller by (n - 1)/n; it is taken as it stands",
    ),
    Convention(
        nn.LayerNorm, "LayerNorm", "LayerNormalization", _scale_and_shift("(normalized_shape)"), (_EPS,),
        keras_differs="Of images Keras' arrays are (H, W, C), here (C, H, W)",
    ),
    Convention(nn.GroupNorm, "GroupNorm", "GroupNormalization", _scale_and_shift("(C,)"), (_EPS,)),
    Convention(
        nn.InstanceNorm, "InstanceNorm1d, InstanceNorm2d", "GroupNormalization", _scale_and_shift("(C,)"), (_EPS,),
        torch_differs=f"`{COUNTER}` as in batch norm, with running statistics",
        keras_differs="a group norm with groups=-1, without running statistics",
    ),
    Convention(
        nn.PReLU, "PReLU", "PReLU", (Entry("weight", "(C,) or (1,)", "alpha", "(1, 1, C) or (1, 1, 1)"),),
        keras_differs="a slope for each pixel unless shared_axes are those of the pixels",
    ),
    Convention(
        nn.SpectralNorm, "parametrizations.spectral_norm", "SpectralNormalization",
        (Entry("layer.weight", "as the layer", "kernel", "as the layer"), Entry("u", "(out,)", "vector_u", "(1, out)")),
        torch_differs="PyTorch makes a power iteration in every forward pass of training; here `power_iteration` makes "
        "one, once an update. Here 1e-12 is added to sigma",
        keras_differs="no v; the divided weight is kept in place of the weight, and divided again in every forward "
        "pass of training; of a transposed convolution another matrix is taken",
    ),
)  # fmt: skip

"""A right layer, and layers that each fail one check of `check_layer`.

Read next: ``test_check_layer.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen import nn, ops
from minigen.autograd import Function, Tensor


def point(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


class Gain(nn.Module):
    """x * gain + bias, right in every respect; the layers below each fail one check."""

    def __init__(self) -> None:
        self.gain = nn.Parameter(np.ones(3, np.float32))
        self.bias = nn.Parameter(np.zeros(3, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain + self.bias

    def example_inputs(self) -> tuple[Any, ...]:
        return (point(4, 3),)


class ReturnsArray(Gain):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).numpy()


class ShapeFollowsNumbers(Gain):
    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y[:1] if np.abs(x.numpy()).max() < 1.2 else y


class NotFinite(Gain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) / Tensor(np.zeros(3, x.dtype))


class GlobalNoise(Gain):
    generator = np.random.default_rng(0)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        return super().forward(x) + Tensor(self.generator.normal(size=x.shape).astype(x.dtype))


class MadeInFloat64(Gain):
    def __init__(self) -> None:
        self.gain, self.bias = nn.Parameter(np.ones(3)), nn.Parameter(np.zeros(3))


class AlwaysFloat32(Gain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).to(dtype=np.float32)


class WritesIntoInput(Gain):
    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        x.data[0] = 0
        return y


class ChangesWeight(Gain):
    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x * 1.0)
        self.gain.data = self.gain.data * 0.99
        return y


class FlatMemory(Function):
    """x, read in the order of its memory."""

    def forward(self, x: Any) -> Any:
        return x.ravel(order="K").reshape(x.shape).copy()

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy


class ReadsMemory(Gain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(FlatMemory.apply(x))


class HiddenParameter(Gain):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = frozenset([nn.Parameter(np.full(3, 2, np.float32))])

    def forward(self, x: Tensor) -> Tensor:
        (hidden,) = self.hidden
        return super().forward(x) * hidden.to(dtype=x.dtype)


class IdleParameter(Gain):
    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Parameter(np.ones(2, np.float32))


class WrongBackward(Function):
    factor = 1.0

    def forward(self, x: Any) -> Any:
        return np.sin(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * WrongBackward.apply(self.inputs[0] + np.pi / 2) * self.factor


class WrongGradient(Gain):
    def forward(self, x: Tensor) -> Tensor:
        return WrongBackward.apply(super().forward(x), factor=2.0)


class WrongGradientInEvaluation(Gain):
    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y if self.training else WrongBackward.apply(y, factor=2.0)


class SavedArray(Function):
    def forward(self, x: Any) -> Any:
        self.saved = np.exp(x)
        return self.saved

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * Tensor(self.saved)


class WrongSecondGradient(Gain):
    def forward(self, x: Tensor) -> Tensor:
        return SavedArray.apply(super().forward(x))


class KeepsTraining(Gain):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)

    def eval(self) -> Any:
        self.training = False
        return self


class CountsInEvaluation(Gain):
    def __init__(self) -> None:
        super().__init__()
        self.mean = Tensor(np.zeros(3, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x) + self.mean
        self.mean.data = (0.9 * self.mean.data + 0.1 * x.data.mean(0)).astype(self.mean.dtype)
        return y


class StateBesides(Gain):
    """Running statistics in a plain array, which no state_dict saves."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = np.zeros(3)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.mean = 0.5 * self.mean + 0.5 * x.numpy().mean(0)
            return super().forward(x)
        return super().forward(x) - Tensor(self.mean.astype(x.dtype))


class SeesTheBatch(Gain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) - ops.mean(x, 0, keepdims=True)


class Raises(Gain):
    def forward(self, x: Tensor) -> Tensor:
        raise KeyError("no such thing")

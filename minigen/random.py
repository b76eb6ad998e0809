"""Random numbers that are the same on every device: `Generator`, on the counter-based Philox kernels.

A draw is a function of (seed, stream, position) and nothing else, so three integers are the whole state of a
generator: a run resumes with the numbers it would have drawn, and a GPU draws what a CPU draws, bit for bit.

Imports: NumPy, shapes, minigen_kernels. Read next: ``kernels/minigen_kernels/reference/random.py`` for the numbers
themselves, ``autograd/`` for the engine.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minigen.shapes import as_dtype, one_number, one_of
from minigen_kernels import Array, for_device

Shape = int | Sequence[int]

LIMIT = 2**64  # seed, stream and position are unsigned 64-bit integers
MASK = 2**32 - 1


_ARRAYS = ("__array_interface__", "__cuda_array_interface__")  # what arrays have, and Tensors do not


class Generator:
    """A sequence of random numbers. Draws are plain arrays (NumPy or CuPy) on the generator's device.

    `seed` names an experiment and `stream` one of 2**64 independent sequences in it; both are integers from 0 to
    2**64 - 1. Two generators with the same seed and stream draw the same numbers, on every device. Each draw starts on
    a fresh block of 128 bits and advances `position` by the blocks it uses. Not for use from several threads at once:
    give each its own `spawn`.

    Raises TypeError for a seed or stream that is no integer (bool and float are refused, NumPy integers are not),
    ValueError for one out of range or an unknown device.
    """

    def __init__(self, seed: int, *, stream: int = 0, device: str = "cpu") -> None:
        one_of("Generator", "device", device, ("cpu", "cuda"))
        self._seed = _integer("Generator", "seed", seed)
        self._stream = _integer("Generator", "stream", stream)
        self._position = 0
        self.device = device

    def __repr__(self) -> str:
        return (
            f"Generator(seed={self._seed}, stream={self._stream}, device={self.device!r}) at position {self._position}"
        )

    @property
    def state(self) -> dict[str, int]:
        """Everything the next numbers depend on: {"seed", "stream", "position"}, three integers, fit for JSON.

        Assigning such a mapping continues from there; a bad one raises and changes nothing.
        """
        return {"seed": self._seed, "stream": self._stream, "position": self._position}

    @state.setter
    def state(self, state: Mapping[str, int]) -> None:
        if not isinstance(state, Mapping) or set(state) != {"seed", "stream", "position"}:
            raise ValueError(f"Generator.state: expected a mapping with seed, stream and position, got {state!r}")
        seed, stream, position = (_integer("Generator.state", k, state[k]) for k in ("seed", "stream", "position"))
        self._seed, self._stream, self._position = seed, stream, position

    def spawn(self, stream: int | str) -> Generator:
        """A generator of the same seed and device on another stream, at position 0. This one does not move.

        A number is the stream itself. A name is hashed together with this generator's stream, the same in every run, so
        names nest: spawn("a").spawn("b") is neither spawn("b") nor spawn("a"). Raises ValueError for this generator's
        own stream: its numbers would come twice.
        """
        if isinstance(stream, str):
            digest = hashlib.blake2b(f"{self._stream}/{stream}".encode(), digest_size=8).digest()
            stream = int.from_bytes(digest, "little")
        stream = _integer("Generator.spawn", "stream", stream)
        if stream == self._stream:
            raise ValueError(f"Generator.spawn: stream {stream} is this generator's own; choose another one")
        return Generator(self._seed, stream=stream, device=self.device)

    def uniform(self, shape: Shape, low: float = 0.0, high: float = 1.0, dtype: Any = np.float32) -> Array:
        """Uniform numbers low + (high - low) u, u from [0, 1) in steps of 2**-24 (float32) or 2**-53 (float64).

        With other limits than 0 and 1, rounding can give `high` itself.
        """
        low, high = (float(one_number("Generator.uniform", k, v)) for k, v in (("low", low), ("high", high)))
        if not (low <= high and math.isfinite(high - low)):
            raise ValueError(f"Generator.uniform: expected finite low <= high, got low={low}, high={high}")
        return _affine(self._floats("uniform", shape, dtype), high - low, low)

    def normal(self, shape: Shape, mean: float = 0.0, std: float = 1.0, dtype: Any = np.float32) -> Array:
        """Normal numbers with that mean and standard deviation, float32 or float64."""
        mean, std = (float(one_number("Generator.normal", k, v)) for k, v in (("mean", mean), ("std", std)))
        if not (std >= 0 and math.isfinite(mean) and math.isfinite(std)):
            raise ValueError(f"Generator.normal: expected a finite mean and std >= 0, got mean={mean}, std={std}")
        return _affine(self._floats("normal", shape, dtype), std, mean)

    def normal_key(self, n: int, dtype: Any = np.float32) -> tuple[int, int, int]:
        """Seed, stream and position of the next n normal numbers, for a kernel that draws them itself.

        The generator moves as if `normal` had drawn them.
        """
        return self._seed, self._stream, self._advance(n, 16 // np.dtype(dtype).itemsize)

    def bernoulli(self, p: float | Array, shape: Shape | None = None, dtype: Any = np.float32) -> Array:
        """Ones with probability `p`, else zeros.

        `p` is a number, or an array on the generator's device that broadcasts to `shape`; without `shape` the result
        has the shape of `p`. The draw does not depend on `dtype`; probabilities are resolved to 2**-24. Raises
        TypeError for what is neither, ValueError for a number outside of [0, 1]; the values of an array are not looked
        at (on a GPU that would wait for the device).
        """
        if isinstance(p, int | float | np.generic):
            p = float(p)
            if not 0 <= p <= 1:
                raise ValueError(f"Generator.bernoulli: p is a probability, got {p}")
        elif not (isinstance(p, np.ndarray) or any(hasattr(p, name) for name in _ARRAYS)) or p.dtype.kind not in "fiub":
            raise TypeError(f"Generator.bernoulli: p is a number or an array of numbers, got {type(p).__name__} {p!r}")
        dtype = as_dtype("Generator.bernoulli", dtype)
        own: tuple[int, ...] = getattr(p, "shape", ())
        wanted = _shape("Generator.bernoulli", own if shape is None else shape)
        if len(own) > len(wanted) or any(a not in (1, b) for a, b in zip(own[::-1], wanted[::-1])):
            raise ValueError(f"Generator.bernoulli: p of shape {own} does not broadcast to shape {wanted}")
        n = math.prod(wanted)
        if not isinstance(p, float):
            p = p if p.dtype in (np.float32, np.float64) else p.astype(np.float32)
            p = np.broadcast_to(p, wanted).reshape(-1)
        draw = for_device(self.device).bernoulli
        return draw(self._seed, self._stream, self._advance(n, 4), n, p).reshape(wanted).astype(dtype, copy=False)

    def integers(self, low: int, high: int, shape: Shape) -> Array:
        """Integers from low to high - 1, int64, of equal probability up to 2**-64.

        With k uniform in 64 bits the value is low + floor(k (high - low) / 2**64) (Lemire 2019, without the rejection).
        """
        low = _integer("Generator.integers", "low", low, -(2**63), 2**63)
        high = _integer("Generator.integers", "high", high, -(2**63), 2**63 + 1)
        if low >= high:
            raise ValueError(f"Generator.integers: expected low < high, got low={low}, high={high}")
        wanted = _shape("Generator.integers", shape)
        steps = _multiply_high(self._bits(math.prod(wanted)), high - low)
        integers: Array = (steps + np.uint64(low % LIMIT)).view(np.int64).reshape(wanted)
        return integers

    def permutation(self, n: int) -> Array:
        """The numbers 0 to n - 1 in random order, int64 (n,): the order of n random 64-bit keys."""
        n = _integer("Generator.permutation", "n", n)
        return for_device(self.device).permutation(self._seed, self._stream, self._advance(n, 2), n)

    def _floats(self, kernel: str, shape: Shape, dtype: Any) -> Array:
        """A draw of the kernel "uniform" or "normal", in a shape."""
        wanted, dtype = _shape(f"Generator.{kernel}", shape), as_dtype(f"Generator.{kernel}", dtype)
        if dtype not in (np.float32, np.float64):
            raise ValueError(f"Generator.{kernel}: dtype is float32 or float64, got {dtype}")
        n = math.prod(wanted)
        kernels = for_device(self.device)
        draw = kernels.uniform if kernel == "uniform" else kernels.normal
        return draw(self._seed, self._stream, self._advance(n, 16 // dtype.itemsize), n, dtype).reshape(wanted)

    def _bits(self, n: int) -> Array:
        """Random 64-bit integers, uint64 (n,): two a block, low word first."""
        position, blocks = self._advance(n, 2), -(-n // 2)
        words = for_device(self.device).philox(self._seed, self._stream, position, blocks).astype(np.uint64)
        bits: Array = (words[:, 0::2] | (words[:, 1::2] << np.uint64(32))).reshape(-1)[:n]
        return bits

    def _advance(self, n: int, values_per_block: int) -> int:
        """Use up the blocks of a draw of n values; return the position of the first."""
        position = self._position
        self._position = (position - (-n // values_per_block)) % LIMIT
        return position


def _affine(x: Array, scale: float, offset: float) -> Array:
    """Change x, which is ours, to scale * x + offset. Python numbers keep its dtype."""
    if scale != 1:
        x *= scale
    if offset != 0:
        x += offset
    return x


def _multiply_high(k: Array, n: int) -> Array:
    """floor(k * n / 2**64) for uint64 k and 0 < n <= 2**64, by halves of 32 bits; no product overflows."""
    k0, k1, n0, n1 = k & MASK, k >> 32, n & MASK, n >> 32
    middle = k1 * n0 + (k0 * n0 >> 32)
    carry = (k0 * n1 + (middle & MASK)) >> 32
    high: Array = k1 * n1 + (middle >> 32) + carry
    return high


def _integer(function: str, argument: str, value: Any, low: int = 0, high: int = LIMIT) -> int:
    """`value` as an int with low <= value < high, or the error that says what was wrong."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{function}: {argument} is an integer, got {value!r} of type {type(value).__name__}")
    number = int(value)
    if not low <= number < high:
        raise ValueError(f"{function}: {argument} lies between {low} and {high - 1}, got {number}")
    return number


def _shape(function: str, shape: Shape) -> tuple[int, ...]:
    """A shape as a tuple of ints; one number is a shape of one axis."""
    axes = shape if isinstance(shape, Sequence) else (shape,)
    return tuple(_integer(function, "shape", axis, 0, 2**63) for axis in axes)

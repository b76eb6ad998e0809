"""Would the check have noticed? Errors planted in a gradient that has just passed, each of which has to be rejected.

Imports: NumPy. Read next: ``one_tensor.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minigen_kernels import Array


def planted_errors(
    gradients: Array, shape: tuple[int, ...], sizes: Array, factor: float, alone: bool
) -> Iterator[tuple[str, Array]]:
    """Wrong gradients made of right ones (K, size), and what was done to them.

    `sizes` (size,): how far each element of the tensor is moved, which tells the element that counts most. `factor`: a
    clear amount. That one element is perturbed by ten times as much of itself if it is compared `alone`, else of the
    norm of the whole. A rearrangement that hardly changes this gradient, as shifting a constant one, is left out.
    """
    yield "factor", gradients * factor
    yield "sign", -gradients
    yield "zero", gradients * 0.0
    norm = np.linalg.norm(gradients * sizes)
    for kind, spoilt in (("shifted", np.roll(gradients, 1, axis=1)), ("transposed", _transposed(gradients, shape))):
        if np.linalg.norm((spoilt - gradients) * sizes) > min(5 * (factor - 1), 1.0) * norm:
            yield kind, spoilt
    perturbed = gradients.copy()
    most = int((np.abs(gradients) * sizes).max(0).argmax())
    amount = gradients[:, most] if alone else np.linalg.norm(gradients * sizes, axis=1) / sizes[most]
    perturbed[:, most] += 10 * (factor - 1) * amount
    yield "perturbed", perturbed


def _transposed(gradients: Array, shape: tuple[int, ...]) -> Array:
    """With the last two axes that are longer than 1 exchanged, and read as if they were not."""
    long = [i for i, n in enumerate(shape, 1) if n > 1][-2:]
    if len(long) < 2:
        return gradients
    return gradients.reshape(-1, *shape).swapaxes(*long).reshape(gradients.shape)

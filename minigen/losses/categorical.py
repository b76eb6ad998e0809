"""Cross-entropy over classes, with class numbers or probabilities as target.

Units and the meaning of `reduction`: see the docstring of the package.

Imports: autograd, ops, reduction, kernels. Read next: ``divergence.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen import ops
from minigen.autograd import Function, Tensor, as_tensor
from minigen.device import array_module
from minigen.losses.reduction import ROUNDING, Reduction, check_reduction, check_unit_interval, reduce
from minigen.shapes import is_whole, one_number, shown
from minigen_kernels import Array, for_array

NAME = "cross_entropy"


class Picked(Function):
    """One element of each row, (M, K) -> (M,): a row is a plane of one line, `places` (1, M, 1, 1) are in it."""

    places: Array

    def forward(self, x: Array) -> Array:
        return for_array(x).plane_gather(x.reshape(1, len(x), 1, x.shape[1]), self.places).reshape(len(x))

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.plane_gather(graph.reshape(x, (1, x.shape[0], 1, x.shape[1])), self.places, (x.shape[0],))

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return Placed.apply(gy, places=self.places, classes=self.inputs[0].shape[1])


class Placed(Function):
    """The adjoint of `Picked`, (M,) -> (M, classes): zeros elsewhere."""

    places: Array
    classes: int

    def forward(self, g: Array) -> Array:
        planes = g.reshape(self.places.shape)
        return for_array(g).plane_scatter(planes, self.places, (1, self.classes), None).reshape(len(g), self.classes)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return Picked.apply(gy, places=self.places)


def cross_entropy(
    logits: Tensor,
    labels: Any,
    *,
    weight: Any = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """-sum over classes k of q_k log p_k for p = softmax(logits) over axis 1: logits (N, K) or (N, K, ...).

    `labels` are integers (N,) or (N, ...) from 0 to K - 1, and q is one-hot; or they are q itself, probabilities of the
    shape of the logits. A class with q_k = 0 adds 0, even where its logit is -Inf. On a GPU labels are not looked at,
    for the host would have to wait: one outside makes the loss NaN.

    weight (K,): class weights. ignore_index: elements with this label (in PyTorch -100 by default) add 0 and have no
    gradient. label_smoothing s replaces q by (1 - s) q + s / K (Szegedy et al. 2016, arXiv:1512.00567, section 7).

    Unit: nats; per element ("mean"), per batch ("sum"), per sample ("batchmean"); "none" gives (N, ...). As in PyTorch
    the mean over labels is weighted: the sum divided by the sum of the weights of all labels that are not ignored. If
    that is 0, for example because all are ignored, the mean is undefined: ValueError, or NaN on a GPU.
    """
    x = as_tensor(logits)
    t = as_tensor(labels, device=None if hasattr(labels, "dtype") else x.device)  # a list lies on no device
    check_reduction(NAME, reduction)
    soft = _labels_are_probabilities(x, t, label_smoothing)
    if soft and ignore_index is not None:
        raise ValueError(f"{NAME}: ignore_index goes with labels, not with probabilities; got {ignore_index!r}")
    w = None if weight is None else _class_weights(weight, x)
    rows, shape = _rows(x), x.shape[:1] + x.shape[2:]
    if soft:
        loss = _soft_label_loss(ops.log_softmax(rows, axis=1), _rows(t), w, label_smoothing)
        return reduce(NAME, _unflatten(loss, shape), reduction)

    targets, mask = _flat_labels(t, x, ignore_index)
    if mask is not None:  # so that a NaN in an ignored row does not reach the loss
        rows = ops.where(mask[:, None], rows, 0.0)
    log_p = ops.log_softmax(rows, axis=1)
    loss = -Picked.apply(log_p, places=targets.astype(np.int64).reshape(1, -1, 1, 1))
    counts = None if w is None else w[targets]
    if counts is not None:
        loss = loss * counts
    if label_smoothing:
        uniform = ops.mean(log_p if w is None else log_p * w, axis=1)
        loss = loss * (1 - label_smoothing) - uniform * label_smoothing
    if mask is not None:
        loss = ops.where(mask, loss, 0.0)
        counts = Tensor(mask.astype(x.dtype)) if counts is None else ops.where(mask, counts, 0.0)
    if counts is None or reduction != "mean" or not loss.size:
        return reduce(NAME, _unflatten(loss, shape), reduction)
    total = ops.sum(counts)
    if total.device == "cpu" and not total.data:
        what = "all labels are ignored" if mask is not None and not mask.any() else "the weights of the labels sum to 0"
        raise ValueError(f"{NAME}: {what}, so there is nothing to take the mean over; leave such a batch out")
    return ops.sum(loss) / total


def _soft_label_loss(log_p: Tensor, q: Tensor, w: Tensor | None, smoothing: float) -> Tensor:
    """The loss (M,) for log-probabilities and target probabilities q, both (M, K)."""
    if smoothing:
        q = q * (1 - smoothing) + smoothing / q.shape[1]
    impossible = (log_p.data == -math.inf) & (q.data == 0)  # 0 * -Inf would be NaN
    terms = q * ops.where(impossible, 0.0, log_p)
    return -ops.sum(terms if w is None else terms * w, axis=1)


def _rows(x: Tensor) -> Tensor:
    """(N, K, ...) as rows (M, K)."""
    if x.ndim == 2:
        return x
    last = ops.transpose(x, (0, *range(2, x.ndim), 1))
    return ops.reshape(last, (math.prod(last.shape[:-1]), x.shape[1]))


def _unflatten(loss: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Losses (M,) as (N, ...)."""
    return loss if len(shape) == 1 else ops.reshape(loss, shape)


def _flat_labels(labels: Tensor, x: Tensor, ignore_index: int | None) -> tuple[Array, Array | None]:
    """The labels (M,), checked, with 0 for ignored ones; and a mask (M,) of those that are not ignored, or None."""
    flat, mask = labels.data.reshape(-1), None
    if ignore_index is not None:
        if isinstance(ignore_index, bool) or not is_whole(ignore_index):
            raise TypeError(f"{NAME}: ignore_index is a whole number, got {shown(ignore_index)}")
        flat = flat.astype(np.int64)
        mask = flat != int(ignore_index)
        flat = array_module(flat).where(mask, flat, 0)
    if labels.device == "cpu" and flat.size:
        low, high, k = flat.min(), flat.max(), x.shape[1]
        if low < 0 or high >= k:
            hint = "; ignore_index=... leaves a label out" if ignore_index is None else ""
            raise ValueError(f"{NAME}: labels must be from 0 to {k - 1} (logits {x.shape}), got {low} to {high}{hint}")
    return flat, mask


def _class_weights(weight: Any, x: Tensor) -> Tensor:
    if isinstance(weight, Tensor) or hasattr(weight, "dtype"):
        w = as_tensor(weight)
    else:  # a list says neither dtype nor device
        w = as_tensor(weight, device=x.device, dtype=x.dtype)
    if w.shape != x.shape[1:2]:
        raise ValueError(f"{NAME}: weight has shape {w.shape}, wanted a number for each of {x.shape[1]} classes")
    if (w.dtype, w.device) != (x.dtype, x.device):
        raise TypeError(
            f"{NAME}: logits are {x.dtype} on {x.device} but weight is {w.dtype} on {w.device}; use .to(device, dtype)"
        )
    return w


def _labels_are_probabilities(x: Tensor, t: Tensor, label_smoothing: float) -> bool:
    """Check the arguments. True if the labels are probabilities, False if they are class numbers."""
    if x.ndim < 2 or not x.shape[1]:
        raise ValueError(f"{NAME}: expected logits (N, K) or (N, K, ...), got shape {x.shape}")
    if x.dtype.kind != "f":
        raise TypeError(f"{NAME}: expected float logits, got {x.dtype}")
    if x.device != t.device:
        raise TypeError(f"{NAME}: logits are on {x.device}, labels on {t.device}; use .to(device)")
    label_smoothing = one_number("cross_entropy", "label_smoothing", label_smoothing)
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"{NAME}: label_smoothing must be in [0, 1), got {label_smoothing!r}")
    soft = t.dtype.kind == "f" and t.shape == x.shape
    if soft:
        if t.dtype != x.dtype:
            raise TypeError(f"{NAME}: logits are {x.dtype} but labels {t.dtype}; use .to(dtype=...)")
        check_unit_interval(NAME, "labels", t, tolerance=ROUNDING, hint="of floats they are probabilities")
        return True
    if t.dtype.kind not in "iu":
        raise TypeError(
            f"{NAME}: expected integer labels (N, ...), or probabilities of the shape of the logits {x.shape}; got "
            f"{t.dtype} {t.shape}"
        )
    if t.shape != x.shape[:1] + x.shape[2:]:
        raise ValueError(f"{NAME}: expected logits (N, K, ...) and labels (N, ...), got {x.shape} and {t.shape}")
    return False


__all__ = ["cross_entropy"]

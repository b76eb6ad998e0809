"""Cross-entropy over classes: of one label for each sample or place, or of probabilities.

The units and the meaning of `reduction` stand in the opening of the package.

Imports: tensor, ops, reduction. Read next: ``divergence.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen import ops
from minigen.autograd import Tensor, as_tensor
from minigen.device import array_module
from minigen.losses.reduction import ROUNDING, Reduction, check_reduction, check_unit_interval, reduce
from minigen.shapes import is_whole, one_number, shown
from minigen_kernels import Array

NAME = "cross_entropy"


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

    `labels` are whole numbers (N,) or (N, ...) from 0 to K - 1, and q is 1 on the label; or they are q itself,
    probabilities of the shape of the logits. An outcome with q_k = 0 costs nothing, even where its logit is -Inf.

    weight: K numbers; class k counts weight[k] times. ignore_index: places with this label (in PyTorch -100 by default)
    count as 0 and have no gradient. label_smoothing s makes (1 - s) q + s / K of q (Szegedy et al. 2016,
    arXiv:1512.00567, section 7).

    Unit: nats; per place ("mean"), per batch ("sum"), per sample ("batchmean"); "none" gives (N, ...). As in PyTorch
    the mean over labels is a weighted one: the sum over the sum of the weights of those labels that are not ignored. If
    that is 0, as when all are ignored, there is no mean: ValueError, but NaN on a GPU, where nothing is looked at.
    """
    x, t = as_tensor(logits), as_tensor(labels)
    check_reduction(NAME, reduction)
    soft = _checked(x, t, label_smoothing)
    if soft and ignore_index is not None:
        raise ValueError(f"{NAME}: ignore_index goes with labels, not with probabilities; got {ignore_index!r}")
    w = None if weight is None else _class_weights(weight, x)
    rows, places = _rows(x), x.shape[:1] + x.shape[2:]
    if soft:
        loss = _of_probabilities(ops.log_softmax(rows, axis=1), _rows(t), w, label_smoothing)
        return reduce(NAME, _placed(loss, places), reduction)

    chosen, kept = _chosen(t, x, ignore_index)
    if kept is not None:  # a NaN where nothing is asked for stays there
        rows = ops.where(kept[:, None], rows, 0.0)
    log_p = ops.log_softmax(rows, axis=1)
    loss = -log_p[array_module(x.data).arange(len(chosen)), chosen]
    counts = None if w is None else w[chosen]
    if counts is not None:
        loss = loss * counts
    if label_smoothing:
        on_all = ops.mean(log_p if w is None else log_p * w, axis=1)
        loss = loss * (1 - label_smoothing) - on_all * label_smoothing
    if kept is not None:
        loss = ops.where(kept, loss, 0.0)
        counts = Tensor(kept.astype(x.dtype)) if counts is None else ops.where(kept, counts, 0.0)
    if counts is None or reduction != "mean" or not loss.size:
        return reduce(NAME, _placed(loss, places), reduction)
    total = ops.sum(counts)
    if total.device == "cpu" and not total.data:
        what = "all labels are ignored" if kept is not None and not kept.any() else "the weights of the labels sum to 0"
        raise ValueError(f"{NAME}: {what}, so there is nothing to take the mean over; leave such a batch out")
    return ops.sum(loss) / total


def _of_probabilities(log_p: Tensor, q: Tensor, w: Tensor | None, smoothing: float) -> Tensor:
    """The loss (M,) of rows of log-probabilities and of wanted probabilities, both (M, K)."""
    if smoothing:
        q = q * (1 - smoothing) + smoothing / q.shape[1]
    never = (log_p.data == -math.inf) & (q.data == 0)  # 0 * -Inf would be NaN
    terms = q * ops.where(never, 0.0, log_p)
    return -ops.sum(terms if w is None else terms * w, axis=1)


def _rows(x: Tensor) -> Tensor:
    """(N, K, ...) as rows (M, K)."""
    if x.ndim == 2:
        return x
    last = ops.transpose(x, (0, *range(2, x.ndim), 1))
    return ops.reshape(last, (math.prod(last.shape[:-1]), x.shape[1]))


def _placed(loss: Tensor, places: tuple[int, ...]) -> Tensor:
    """The losses (M,) of rows as (N, ...)."""
    return loss if len(places) == 1 else ops.reshape(loss, places)


def _chosen(labels: Tensor, x: Tensor, ignore_index: int | None) -> tuple[Array, Array | None]:
    """The labels as one row (M,), checked, with 0 in the place of ignored ones; and where they are not ignored."""
    flat, kept = labels.data.reshape(-1), None
    if ignore_index is not None:
        if isinstance(ignore_index, bool) or not is_whole(ignore_index):
            raise TypeError(f"{NAME}: ignore_index is a whole number, got {shown(ignore_index)}")
        flat = flat.astype(np.int64)
        kept = flat != int(ignore_index)
        flat = array_module(flat).where(kept, flat, 0)
    if labels.device == "cpu" and flat.size:
        low, high, k = int(flat.min()), int(flat.max()), x.shape[1]
        if low < 0 or high >= k:
            hint = "; ignore_index=... leaves a label out" if ignore_index is None else ""
            raise ValueError(f"{NAME}: labels must be from 0 to {k - 1} (logits {x.shape}), got {low} to {high}{hint}")
    return flat, kept


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


def _checked(x: Tensor, t: Tensor, label_smoothing: float) -> bool:
    """Refuse what does not belong together. Are the labels probabilities?"""
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
        check_unit_interval(NAME, "labels", t, slack=ROUNDING, hint="of floats they are probabilities")
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

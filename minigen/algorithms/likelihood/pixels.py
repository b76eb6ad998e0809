"""What the pixels of a data set are taken to be: which distribution, and whether grey images are made black and white.

Imports: models.likelihood. Read next: ``build.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from minigen import ops
from minigen.algorithms.experiment import Setup
from minigen.algorithms.options import Option
from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.models.likelihood import Bernoulli, Gaussian, Likelihood
from minigen.random import Generator
from minigen_kernels import Array

See = Callable[[Array, Generator], Tensor]  # images as a batch has them -> images as the model sees them

OPTIONS: Mapping[str, Option] = {
    "likelihood": Option(
        str,
        "distribution of a pixel: bernoulli; gaussian with --variance; or with a variance that is learned",
        choices=("bernoulli", "gaussian", "gaussian-learned"),
    ),
    "variance": Option(float, "variance of a pixel (--likelihood gaussian)", minimum=0, exclusive=True),
    "binarize": Option(
        str,
        "make grey images black and white: at 0.5; or by chance, anew in each batch (dynamic)",
        choices=("none", "threshold", "dynamic"),
    ),
}
DEFAULTS: Mapping[str, Any] = {"likelihood": "bernoulli", "variance": 1.0, "binarize": "none"}


def likelihood_of(setup: Setup) -> Likelihood:
    """The distribution that the options name, with an output in the range of the data.

    ValueError: the data's range does not fit it, or an option would have no effect.
    """
    options, data = setup.options, setup.value_range
    if options["likelihood"] != "gaussian" and options["variance"] != DEFAULTS["variance"]:
        raise ValueError(f"--variance has no effect with --likelihood {options['likelihood']}; leave it out")
    if options["likelihood"] == "bernoulli":
        if data != (0.0, 1.0):
            raise ValueError(f"bernoulli pixels need data from 0 to 1, got {data}; use --likelihood gaussian-learned")
        return Bernoulli()
    if options["binarize"] != "none":
        raise ValueError(f"--binarize {options['binarize']} makes pixels 0 or 1: use it with --likelihood bernoulli")
    heads = {(0.0, 1.0): ops.sigmoid, (-1.0, 1.0): ops.tanh}
    if data not in heads:
        raise ValueError(f"expected data in the range (0, 1) or (-1, 1), got {data}")
    if options["likelihood"] == "gaussian-learned":
        return Gaussian(heads[data], variance=largest_variance(setup), learned=True)
    return Gaussian(heads[data], variance=options["variance"])


def largest_variance(setup: Setup) -> float:
    """The variance that pixels of the data's mean have at most, (mean - low) (high - mean): if each is low or high.

    Where a learned variance begins: from 1 it would need thousands of updates to come down to what images have.
    """
    low, high = setup.value_range
    inside = 0.01 * (high - low)
    mean = min(max(setup.mean, low + inside), high - inside)
    return (mean - low) * (high - mean)


def seeing(setup: Setup) -> See:
    """How images become what the model sees: on the device and, with --binarize, black and white.

    "dynamic" draws each pixel anew with its grey value as the probability, so that no image is ever seen twice the same
    (Burda et al. 2016, arXiv:1509.00519, section 5); it takes the numbers from the generator that it is given.
    """
    kind, device = setup.options.get("binarize", "none"), setup.device

    def see(images: Array, rng: Generator) -> Tensor:
        x = to_device(images, device)
        if kind == "threshold":
            x = (x > 0.5).astype(x.dtype)
        elif kind == "dynamic":
            x = rng.bernoulli(x, dtype=x.dtype)
        return Tensor(x)

    return see

"""Three training steps of a small model on a device: the same terms as elsewhere, the same bits in a second run.

Imports: algorithms, training, kernels. Read next: ``procedure.py``.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.proving.record import Fault
from minigen.training.config import resolve
from minigen.training.in_memory import IN_MEMORY, in_memory_data
from minigen.training.prepare import prepare
from minigen_kernels import in_reference

#: The models, each with options that make it small.
SMALL: dict[str, dict[str, Any]] = {
    "ae": {}, "conv-ae": {}, "vae": {}, "gan": {"hidden": 32}, "dcgan": {"channels": 4}, "wgan-gp": {"channels": 4},
}  # fmt: skip
STEPS = 3
#: Of a term of the loss: float32 sums in another order, whose differences the updates of Adam carry on.
AGREEMENT = 1e-3

Run = tuple[list[dict[str, float]], list[bytes]]  # the terms of each step, the bits of all parameters at the end


def check_model(name: str, device: str, seed: int) -> tuple[int, Fault | None]:
    """How many numbers were compared, and the first fault. Against the CPU; on the CPU against the reference."""
    first, bits = train(name, device, seed)
    again, bits_again = train(name, device, seed)
    other = "cpu" if device == "cuda" else "reference"
    with in_reference() if other == "reference" else contextlib.nullcontext():
        wanted, _ = train(name, "cpu", seed)
    checks = len(bits)
    for step, (terms, expected) in enumerate(zip(first, wanted, strict=True), start=1):
        for term, value in expected.items():
            checks += 1
            got = terms.get(term, float("nan"))
            if not abs(got - value) <= AGREEMENT * max(1.0, abs(value)):
                text = f"{name}, step {step}, {term}: got {got}, expected {value} ({other}), tolerance {AGREEMENT:g}"
                return checks, Fault(text, {"step": step, "term": term, "got": got, "expected": value})
    if first != again or bits != bits_again:
        return checks, Fault(f"{name}: a second run of {STEPS} steps gives other bits")
    return checks, None


def train(name: str, device: str, seed: int) -> Run:
    """Three steps on images of noise."""
    recipe = MODELS[name]
    images = np.random.default_rng(seed).integers(0, 256, (24, 1, 28, 28), dtype=np.uint8)
    given = {"dataset": IN_MEMORY, "batch_size": 4, "device": device, "seed": seed, "doctor": False, "validation": 0.0}
    own = {key: value for key, value in SMALL[name].items() if key in recipe.options}
    prepared = prepare(recipe, resolve(recipe, OPTIONS, {**given, **own}), in_memory_data(images))
    terms: list[dict[str, float]] = []
    while len(terms) < STEPS:
        for batch in prepared.batches:
            if len(terms) == STEPS:
                break
            terms.append({key: float(value) for key, value in prepared.experiment.step(batch).items()})
    modules = prepared.experiment.modules.values()
    return terms, [np.asarray(a).tobytes() for module in modules for a in module.state_dict().values()]

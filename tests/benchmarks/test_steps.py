"""The steps that are timed: each trains, and PyTorch and JAX compute the same.

Read next: ``minigen_bench/steps.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from algorithms.catalog_runs import slow_unless

from minigen_bench import arithmetic, in_minigen
from minigen_bench.steps import STEPS

ROOT = Path(__file__).resolve().parents[2]
BATCH = 4
OF_ONE_NETWORK = [name for name, step in STEPS.items() if not step.network and step.trains]
FAST = ("dense-ae", "vae", "gan", "r1-gan", "sngan", "conv-vae", "vq-vae", "classifier")


def test_there_are_at_least_twenty_training_steps() -> None:
    assert sum(step.trains for step in STEPS.values()) >= 20


@pytest.mark.parametrize("name", slow_unless(FAST.__contains__, OF_ONE_NETWORK))
def test_each_step_trains_and_moves_every_parameter(name: str) -> None:
    training = in_minigen.Training(name, BATCH, 1)
    before = training.weights()
    training.step()
    after = training.weights()
    still = {key for key in before if np.array_equal(before[key], after[key])}
    # The last bias adds the same to real and fake images, and nothing to a slope: it has no gradient, as long as all
    # scores are within the hinge. A singular vector of a matrix with one row is 1.
    of_sngan = {"discriminator.7.u", "discriminator.7.layer.bias"}
    assert still <= {"wgan-gp": {"critic.5.bias"}, "sngan": of_sngan}.get(name, set())


@pytest.mark.parametrize("name", slow_unless(FAST.__contains__, list(STEPS)))
def test_pytorch_computes_the_same(name: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from minigen_bench import in_torch

    own = in_minigen.Training(name, BATCH, 1)
    peer = in_torch.Training(name, BATCH, 1, own.weights())
    noise = own.definition.fixed_noise(BATCH)
    for _ in range(3):
        # float32 sums of up to 12,544 terms in another order, relative to losses of the order of 1 or more; then Adam,
        # which makes a step of the rate's full size of the sign of a gradient, however small.
        np.testing.assert_allclose(own.losses(noise), peer.losses(noise), rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, step in STEPS.items() if "jax" not in step.cannot])
def test_jax_computes_the_same(name: str, tmp_path: Path) -> None:
    """In a process of its own, as the benchmark has it: JAX is told its precision once."""
    pytest.importorskip("jax", reason="JAX is not installed")
    code = f"""
import numpy as np
from minigen_bench import in_jax, in_minigen
own = in_minigen.Training({name!r}, {BATCH}, 1)
peer = in_jax.Training({name!r}, {BATCH}, own.weights())
noise = own.definition.fixed_noise({BATCH})
for _ in range(3):
    np.testing.assert_allclose(own.losses(noise), peer.losses(noise), rtol=1e-3, atol=1e-3)
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")]), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("name", OF_ONE_NETWORK)
def test_a_captured_step_is_a_graph(name: str) -> None:
    training = in_minigen.Training(name, BATCH, 1, "cuda", "minigen-captured")
    for _ in range(5):
        training.step()
    assert training.remark() == ""


def test_on_a_cpu_nothing_is_captured_and_the_table_says_so() -> None:
    training = in_minigen.Training("dense-ae", BATCH, 1, kind="minigen-captured")
    training.step()
    assert training.remark().startswith("steps are plain: ")


@pytest.mark.parametrize("name", slow_unless(("dense-ae", "conv-vae").__contains__, OF_ONE_NETWORK))
def test_a_compiled_step_is_replayed_and_trains_as_the_plain_one(name: str) -> None:
    plain, compiled = (in_minigen.Training(name, BATCH, 1, kind=kind) for kind in ("minigen", "minigen-compiled"))
    for _ in range(6):
        plain.step()
        compiled.step()
    assert compiled.remark() == ""
    for key, weight in plain.weights().items():
        np.testing.assert_array_equal(compiled.weights()[key], weight, err_msg=key)


def test_the_arithmetic_of_a_dense_layer_and_a_convolution() -> None:
    assert arithmetic.dense(3, 5, 2) == [15, 10]
    assert arithmetic.conv(2, 4, 3, 6) == 4 * 6 * 6 * 2 * 3 * 3  # results times what each sums
    assert arithmetic.forward([15, 10], 7) == 2 * 7 * 25
    assert arithmetic.train([15, 10], 7) == 2 * 7 * (25 + 25 + 10)  # forward, weights, the second layer's input
    assert arithmetic.through([15, 10], 7) == 2 * 7 * (25 + 25)
    assert arithmetic.halving(4, 8, 3, 5) == [3 * 5 * 16 * 4 * 4]
    g, d = [2], [3]
    assert arithmetic.gan(g, d) == 2 * (2 + 2 * 3 * 2 + 2 * 2 + 3 * 2)

"""Networks in the browser: every part of every model, and every case of the inventory, give minigen's numbers.

Read next: ``test_forward_engine.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from algorithms import own_networks
from algorithms.catalog_runs import slow_unless
from pages.interpreter import computed
from pages.small_runs import small_run
from runs.test_every_model import IMAGES, LABELS, settings_of

import minigen as mg
from minigen.algorithms.catalog import MODELS
from minigen.autograd import Tensor
from minigen.explore.programs import program_of
from minigen.inventory import ITEMS
from minigen.inventory.cases import Case
from minigen.onnx.export import Job
from minigen.onnx.program import program
from minigen.onnx.verify import compared, drawn
from minigen.runs import Run
from minigen.runs.parts import examples, networks_of, parts_of

pytestmark = pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")
FAST = ("cvae", "vq-vae", "infogan")


def hold(run: Run, simd: bool = True) -> None:
    """All parts of a run, on ordinary and extreme inputs, NaN and infinity among them."""
    for name, part in parts_of(run).items():
        job = Job(part.function, networks_of(run), {}, part.inputs, part.outputs, 20, True)
        inputs = drawn(examples(run, part), dynamic_batch=True, infinite=True)
        proof = compared(computed(program_of(run, name), simd), job.plainly, inputs)
        assert proof.ordinary <= 1e-5, name


@pytest.mark.parametrize("name", slow_unless(FAST.__contains__, MODELS))
def test_every_part_of_a_model(name: str) -> None:
    hold(mg.train(name, data=IMAGES, labels=LABELS, progress=False, **settings_of(name)))


@pytest.mark.parametrize(
    "kind", slow_unless(("conv-vae-rgb",).__contains__, ["ae", "conv-vae-rgb", "vq-vae-rgb", "ebgan"])
)
@pytest.mark.parametrize("simd", [True, False], ids=["simd", "plain"])
def test_parts_of_usual_images(kind: str, simd: bool) -> None:
    hold(small_run(kind), simd)


@pytest.mark.parametrize("network", [own_networks.LikeVAE, own_networks.Noisy])
def test_a_network_of_a_users_own(network: Any) -> None:
    hold(mg.train(network, data=IMAGES, progress=False, max_steps=2, batch_size=8))


def test_codes_make_the_images_of_the_run() -> None:
    run = small_run("conv-vae-rgb")
    codes = np.random.default_rng(0).normal(size=(7, run.latent.size)).astype(np.float32)
    np.testing.assert_allclose(computed(program_of(run))([codes])[0], run.decode(codes), atol=1e-5)


CASES = [(f"{item.name} {i}", case) for item in ITEMS for i, case in enumerate(item.cases)]


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[label for label, _ in CASES])
def test_every_case_of_the_inventory(case: Case) -> None:
    fn, inputs = case(np.random.default_rng(0))
    places = [i for i, x in enumerate(inputs) if isinstance(x, (np.ndarray, Tensor))]
    given = [x.numpy() if isinstance(x, Tensor) else x for x in (inputs[i] for i in places)]
    arrays = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in given]

    def call(*tensors: Tensor) -> Any:
        full = list(inputs)
        for i, t in zip(places, tensors):
            full[i] = t
        return fn(*full)

    modules = {"": fn} if isinstance(fn, mg.nn.Module) else {}
    made = program(call, arrays, modules=modules, dynamic_batch=False)
    job = Job(call, modules, {}, (), None, 20, True)
    compared(computed(made), job.plainly, drawn(arrays, dynamic_batch=False))

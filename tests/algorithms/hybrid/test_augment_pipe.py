"""What images go through before the discriminator of a hybrid, and on which of them each network is updated.

That every image it sees is an augmented one, real and generated, is in ``hybrid_formulas.py``: the instance noise is
added to each.

Read next: ``../../benchmarks/test_ae_in_gan_laboratory.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from algorithms.hybrid.hybrid_runs import MODELS, batch, setup_for, small, states
from training.runs import make_data, run

from minigen.algorithms.adversarial.augment import AUGMENTATIONS
from minigen.algorithms.catalog import OPTIONS
from minigen.algorithms.hybrid.augment_pipe import AugmentPipe
from minigen.algorithms.options import ConfigError
from minigen.autograd import Tensor, grad
from minigen.random import Generator
from minigen.training.config import resolve

WITH_IMAGES = [name for name in MODELS if name != "aae"]  # whose discriminator sees images


def pipe_with(steps: int = 10, **options: Any) -> AugmentPipe:
    return AugmentPipe(setup_for("mdgan", steps=steps, **options), Generator(3))


def images(n: int = 4, *, seed: int = 0, channels: int = 3) -> Tensor:
    return Tensor(batch(n, (channels, 8, 8), seed=seed).x)


def test_without_options_images_stay_as_they_are() -> None:
    pipe, x = pipe_with(), images()
    assert pipe(x) is x and pipe.paired(x, x) == (x, x)
    assert pipe.noise.state == Generator(3).state  # nothing was drawn


def test_images_are_augmented_and_then_have_noise_added() -> None:
    pipe, x, twin = pipe_with(augment="diffaugment", instance_noise=0.4), images(), Generator(3)
    augment = AUGMENTATIONS["diffaugment"]
    assert augment is not None
    wanted = augment(x, twin).numpy() + twin.normal(x.shape, std=0.4)
    np.testing.assert_allclose(pipe(x).numpy(), wanted, atol=1e-6)  # float32
    assert pipe.noise.state == twin.state


@pytest.mark.parametrize("options", [
    {"augment": "translate"}, {"augment": "diffaugment"}, {"instance_noise": 0.5},
    {"augment": "diffaugment", "instance_noise": 0.5},
])  # fmt: skip
def test_pairs_can_be_compared(options: dict[str, Any]) -> None:
    """The same image twice is the same after; other images, and the same one later, have other draws."""
    pipe, x = pipe_with(**options), images()
    first, second, other = (y.numpy() for y in pipe.paired(x, x, images(seed=1)))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, pipe(x).numpy())
    assert not np.array_equal(first, other)
    once = pipe_with(**options)
    once(x)
    after = once.noise.state
    once = pipe_with(**options)
    once.paired(x, x)
    assert once.noise.state == after  # what comes next is drawn anew


def test_each_image_of_a_batch_has_its_own_draws() -> None:
    """Of one image many times, the copies are moved differently, and each as the one that it is paired with."""
    one = np.repeat(images(1).numpy(), 12, axis=0)
    a, b = (y.numpy() for y in pipe_with(augment="translate").paired(Tensor(one), Tensor(one)))
    assert len({image.tobytes() for image in a}) > 3
    np.testing.assert_array_equal(a, b)


def test_the_gradient_passes() -> None:
    """To a generated image: where it was covered or has left the picture 0, elsewhere not."""
    x = Tensor(images().numpy(), requires_grad=True)
    augmented = pipe_with(augment="diffaugment", instance_noise=0.2)(x)
    (gradient,) = grad((augmented * augmented).sum(), [x])
    assert np.isfinite(gradient.numpy()).all() and (gradient.numpy() != 0).mean() > 0.5


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_the_noise_falls_to_zero_over_the_run(name: str) -> None:
    """The step after the last is that of a model without noise, and an earlier one is not."""
    plain, noisy, spent = (small(name, steps=10, instance_noise=std) for std in (0.0, 0.3, 0.3))
    for experiment, k in ((plain, 0), (noisy, 9), (spent, 10)):
        experiment.schedule(k)
    first, second, third = ({t: float(v) for t, v in e.step(batch()).items()} for e in (plain, noisy, spent))
    assert first == third != second
    pipe = pipe_with(instance_noise=0.5)
    levels = []
    for k in (0, 4, 9, 10, 50):
        pipe.decay(k)
        levels.append(pipe.noise_std)
    assert levels == pytest.approx([0.5, 0.3, 0.05, 0.0, 0.0])


def test_a_discriminator_of_codes_sees_no_images() -> None:
    for key, value in (("instance_noise", 0.1), ("augment", "translate")):
        with pytest.raises(ConfigError, match=f"aae has no option '{key}'"):
            resolve(MODELS["aae"], OPTIONS, {key: value})


# Several updates of the discriminator in one step.


@pytest.mark.parametrize("name", MODELS)
def test_one_step_sees_new_images_for_each_update_of_the_discriminator(name: str) -> None:
    for n_critic in (1, 3):
        options = {**MODELS[name].options, "n_critic": n_critic}
        assert MODELS[name].batches_per_step(options) == n_critic
    experiment = small(name, n_critic=3)
    before = states(experiment)
    with pytest.raises(ValueError, match="a batch of 8 images does not make 3 equal parts; use another number"):
        experiment.step(batch(8))
    after = states(experiment)
    assert all(np.array_equal(before[m][key], after[m][key]) for m in before for key in before[m])


def test_too_few_images_for_one_step_are_refused_before_training(tmp_path: Any) -> None:
    data = make_data(tmp_path / "images.npz", n=20, side=8)
    with pytest.raises(ConfigError, match="an update of mdgan takes 3, is larger than the 18 images"):
        run(data, tmp_path / "run", model="mdgan", network="dense", batch_size=8, n_critic=3)
    assert not (tmp_path / "run").exists()

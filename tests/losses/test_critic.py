"""The losses of a Wasserstein critic: values, both orders of derivatives, and what is refused.

Read next: ``test_edges.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from gradcheck.central_differences import check_gradients

from minigen import losses, ops
from minigen.autograd import Tensor, grad


@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 3), (40, 70)])
def test_the_difference_of_mean_scores(n: int, m: int) -> None:
    rng = np.random.default_rng(n)
    real, fake = rng.normal(size=n), rng.normal(size=m)
    value = losses.wasserstein_critic(Tensor(real), Tensor(fake))
    assert value.shape == () and value.item() == pytest.approx(fake.mean() - real.mean(), rel=1e-12, abs=1e-14)
    check_gradients(losses.wasserstein_critic, [real, fake], order=2, rng=rng)


@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (3, 2, 2, 3), (5,)])
def test_the_penalty_on_norms_away_from_1(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    g = rng.normal(size=shape)
    norms = np.sqrt((g.reshape(shape[0], -1) ** 2).sum(1))
    value = losses.unit_norm_penalty(Tensor(g))
    assert value.shape == () and value.item() == pytest.approx(((norms - 1) ** 2).mean(), rel=1e-9)  # 1e-12 / norm^2
    check_gradients(losses.unit_norm_penalty, [g], order=2, rng=rng)


def test_the_penalty_of_no_slope_is_1_and_has_no_gradient() -> None:
    g = Tensor(np.zeros((3, 4)), requires_grad=True)
    value = losses.unit_norm_penalty(g)
    assert value.item() == pytest.approx(1, abs=3e-6)  # the root of 1e-12 is 1e-6
    for create_graph in (False, True):
        np.testing.assert_array_equal(grad(value, [g], create_graph=create_graph)[0].data, np.zeros((3, 4)))


@pytest.mark.parametrize("loss", [
    lambda x: losses.wasserstein_critic(x[0] * 2, x[1]), lambda x: losses.unit_norm_penalty(x * 2)
])  # fmt: skip
def test_the_kernels_are_the_definitions(loss) -> None:  # type: ignore[no-untyped-def]
    x = Tensor(np.random.default_rng(2).normal(size=(2, 7)).astype(np.float32), requires_grad=True)
    (first,), (defined,) = (grad(loss(x), [x], create_graph=graph) for graph in (False, True))
    np.testing.assert_allclose(first.data, defined.data, rtol=1e-6)


def test_what_is_refused() -> None:
    four = Tensor(np.ones(4))
    for real in (Tensor(np.ones((4, 1))), Tensor(np.ones(0)), Tensor([1, 2])):
        with pytest.raises(ValueError, match="wasserstein_critic: real has to be scores"):
            losses.wasserstein_critic(real, four)
    with pytest.raises(ValueError, match="wasserstein_critic: fake has to be scores"):
        losses.wasserstein_critic(four, ops.reshape(four, (2, 2)))
    with pytest.raises(TypeError, match="Nothing is promoted silently"):
        losses.wasserstein_critic(four, Tensor(np.ones(4, np.float32)))
    with pytest.raises(ValueError, match="unit_norm_penalty: g has to be floats"):
        losses.unit_norm_penalty(Tensor(np.ones((0, 3))))

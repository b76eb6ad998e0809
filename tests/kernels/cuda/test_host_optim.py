"""The optimizer CUDA kernels on the host against the reference, three steps each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.autograd import Tensor
from minigen.optim import SGD, Adam, AdamW, RMSprop, multi_tensor, optimizers
from minigen_kernels import cuda, reference
from minigen_kernels.cuda import optim
from minigen_kernels.cuda.launch import using
from minigen_kernels.host.build import HostBackend

DTYPES = [np.float32, np.float64]
STATES = {"sgd_update": 1, "rmsprop_update": 2, "adam_update": 2}

RATE = st.floats(1e-4, 1.0)
SHARE = st.sampled_from([0.0, 0.5, 0.9, 0.99])
DECAY = st.sampled_from([0.0, 1e-2, 0.5])
EPS = st.just(0.1)
CASES = st.one_of(
    st.tuples(st.just("sgd_update"), st.tuples(RATE, SHARE, st.booleans(), DECAY)),
    st.tuples(st.just("rmsprop_update"), st.tuples(RATE, SHARE, EPS, SHARE, DECAY)),
    st.tuples(st.just("adam_update"), st.tuples(RATE, SHARE, SHARE, EPS, DECAY, st.booleans())),
)


def step_of(name: str, step: int) -> tuple[int, ...]:
    return (step,) if name == "adam_update" else ()


@pytest.mark.parametrize("dtype", DTYPES)
@given(case=CASES, shape=st.sampled_from([(), (1,), (3, 5), (2, 0), (300,)]), seed=st.integers(0, 2**32 - 1))
def test_three_steps(host, dtype, case, shape, seed):
    name, options = case
    rng = np.random.default_rng(seed)
    mine = [rng.normal(size=shape).astype(dtype), *(np.zeros(shape, dtype) for _ in range(STATES[name]))]
    exact = [a.astype(np.float64) for a in mine]
    for step in (1, 2, 3):
        g = np.asarray(rng.normal(size=shape)).astype(dtype)
        p, same_g, *state = host.run(getattr(optim, name), mine[0], g, *mine[1:], *step_of(name, step), *options)
        assert same_g.tobytes() == g.tobytes()
        mine = [p, *state]
        getattr(reference, name)(exact[0], g.astype(np.float64), *exact[1:], *step_of(name, step), *options)
    # Three steps of about ten roundings of half an ulp. A gradient near zero, rounded on the scale of 1, is divided by
    # its eps of 0.1, hence the 100.
    size = max([1.0, *(np.abs(a).max(initial=0) for a in exact)])
    for got, wanted in zip(mine, exact):
        assert got.dtype == dtype and got.shape == shape
        assert np.abs(got - wanted).max(initial=0) <= 100 * np.finfo(dtype).eps * size


@pytest.mark.parametrize("name", ["sgd_update", "rmsprop_update"])
def test_without_momentum_the_buffer_is_left_alone(host, name):
    ones, scalars = np.ones(3), {"sgd_update": (0.1, 0, False, 0), "rmsprop_update": (0.1, 0.9, 1e-8, 0, 0)}[name]
    squares = [np.ones(3)] if name == "rmsprop_update" else []
    *_, buffer = host.run(getattr(optim, name), ones, ones, *squares, np.empty(0), *scalars)
    assert buffer.size == 0


def test_float32_does_not_round_what_is_left_of_beta(host):
    """1 - beta2 is rounded once; taken from a rounded beta2 = 0.999 it would be wrong by 3e-5."""
    zero, one = np.zeros(1, np.float32), np.ones(1, np.float32)
    _, _, m, v = host.run(optim.adam_update, zero, one, zero.copy(), zero.copy(), 1, 0.1, 0.9, 0.999, 0, 0, False)
    assert m[0] == np.float32(1 - 0.9) and v[0] == np.float32(1 - 0.999)


def test_more_parameters_than_threads(host, monkeypatch):
    monkeypatch.setattr("minigen_kernels.cuda.launch.MOST_BLOCKS", 2)
    rng = np.random.default_rng(0)
    p, g, m, v = rng.uniform(size=(4, 1500))
    options = (3, 0.1, 0.9, 0.99, 1e-8, 0.01, True)
    got = host.run(optim.adam_update, p, g, m, v, *options)
    reference.adam_update(p, g, m, v, *options)
    for a, b in zip(got, (p, g, m, v)):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-14)  # ten roundings of numbers below 2, each 2e-16


class Counting(HostBackend):
    """Notes every launch: the kernel, and how many arrays it was given."""

    def __init__(self, *rest: Any) -> None:
        super().__init__(*rest)
        self.launched: list[str] = []

    def run(self, program: Any, kernel: str, *rest: Any) -> None:
        self.launched.append(kernel)
        super().run(program, kernel, *rest)


KINDS = {
    "SGD": lambda ps: SGD(ps, 0.1, weight_decay=0.1),
    "SGD momentum": lambda ps: SGD(ps, 0.1, momentum=0.5, nesterov=True),
    "RMSprop": lambda ps: RMSprop(ps, 0.1),
    "RMSprop momentum": lambda ps: RMSprop(ps, 0.1, momentum=0.5),
    "Adam": lambda ps: Adam(ps, 0.1, weight_decay=0.1),
    "AdamW": lambda ps: AdamW(ps, 0.1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_one_launch_for_up_to_32_parameters_of_a_kind(cuda_host_folder, monkeypatch, kind):
    """Every optimizer as it works on a GPU, on NumPy arrays: two dtypes, empty and long ones, more than a launch takes.

    The same numbers come of it as of a launch for each parameter.
    """
    rng = np.random.default_rng(0)
    shapes = [(30, 20), (20,), (2, 0), (2500,), (), *[(k,) for k in range(1, 34)]]
    values = [np.asarray(rng.normal(size=s), d) for s in shapes for d in ("f4", "f8")]
    gradients = [np.asarray(rng.normal(size=a.shape), a.dtype) for a in values]
    gradients[0] = np.asfortranarray(gradients[0])

    def steps(together):
        monkeypatch.setattr(multi_tensor, "updates_together", lambda device: together)
        backend = Counting(cuda_host_folder)
        params = [Tensor(value.copy(), requires_grad=True) for value in values]
        frozen = params[5]
        with using(backend):
            opt = KINDS[kind](params)
            for k in range(3):
                for p, g in zip(params, gradients):
                    p.grad = Tensor(g)
                frozen.requires_grad = k > 0  # in its first step it is at another count than the others
                params[7].grad = params[7].grad if k else None
                opt.step()
        return [p.data for p in params] + list(opt.state_dict().values()), backend.launched

    monkeypatch.setattr(optimizers, "for_array", lambda x: cuda)
    (wanted, one_by_one), (got, launched) = steps(False), steps(True)
    assert len(one_by_one) == 3 * len(values) - 2
    # 37 or 38 parameters of each dtype take two launches. Adam needs another one for those at another step count.
    assert len(launched) == (4 + 5 + 5 if "Adam" in kind else 4 + 4 + 4)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("count", "launches"), [(5, 3), (33, 5)])
def test_clipping(cuda_host_folder, order, dtype, count, launches):
    rng = np.random.default_rng(0)
    shapes = [(30, 20), (2500,), (2, 0), (), *[(k,) for k in range(count - 4)]]
    g = [np.asarray(rng.normal(size=shape), dtype) for shape in shapes]
    g[0] = np.asfortranarray(g[0])
    before = [a.copy() for a in g]
    for limit in (0.5, 1e9, math.inf):
        backend = Counting(cuda_host_folder, order)
        with using(backend):
            clipped, norm = cuda.clip_norm(g, limit)
        wanted, exact = reference.clip_norm([a.astype(np.float64) for a in g], limit)
        assert len(backend.launched) == launches
        # One rounding of the norm, which is summed up in double, and four of the factor and the product.
        np.testing.assert_allclose(norm, exact, rtol=2 * np.finfo(dtype).eps)
        for a, b, old, same in zip(clipped, wanted, g, before, strict=True):
            assert a.dtype == dtype and a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=5 * np.finfo(dtype).eps)
            np.testing.assert_array_equal(old, same)
            assert limit == 0.5 or np.array_equal(a, old)


def test_clipping_of_two_dtypes_and_of_what_is_not_finite(cuda_host_folder):
    with using(HostBackend(cuda_host_folder)):
        (a, b), norm = cuda.clip_norm([np.full(3, 3, np.float32), np.full(1, 3.0)], 3)
        assert (a.dtype, b.dtype, norm.dtype, norm.item()) == (np.float32, np.float64, np.float64, 6)
        np.testing.assert_allclose([*a, *b], 1.5, rtol=1e-6)  # the 1e-6 beside the norm
        for bad in (math.nan, math.inf):
            (a,), norm = cuda.clip_norm([np.array([1, bad])], 1)
            with np.errstate(invalid="ignore"):
                wanted, same = reference.clip_norm(np.array([1, bad]), 1)
            np.testing.assert_array_equal(a, wanted)
            np.testing.assert_array_equal(norm, same)


def test_a_strided_gradient_is_read_right(host):
    p, g = np.zeros((3, 4)), np.arange(12.0).reshape(4, 3).T
    got, *_ = host.run(optim.sgd_update, p, g, np.empty(0), 1.0, 0, False, 0)
    np.testing.assert_array_equal(got, -g)


def test_errors():
    p, g = np.ones((3, 2)), np.ones((2, 3))
    with pytest.raises(ValueError, match="sgd_update: g has shape"):
        optim.sgd_update(p, g, p, 0.1, 0.9, False, 0)
    with pytest.raises(ValueError, match="rmsprop_update: square_avg has shape"):
        optim.rmsprop_update(p, p, g, p, 0.1, 0.9, 1e-8, 0, 0)
    with pytest.raises(ValueError, match="adam_update: v is changed in place"):
        optim.adam_update(p, p, p, g.T, 1, 0.1, 0.9, 0.99, 1e-8, 0, False)
    with pytest.raises(ValueError, match="adam_update: step counts from 1, got 0"):
        optim.adam_update(p, p, p, p, 0, 0.1, 0.9, 0.99, 1e-8, 0, False)

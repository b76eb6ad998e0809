"""Optimizer updates: both rooms against the formulas, entry by entry, and against PyTorch over 50 steps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen_kernels import cpu, reference

ROOMS = [reference, cpu]
DTYPES = [np.float32, np.float64]
STEPS = 50

RATE = st.floats(1e-4, 1.0)
SHARE = st.sampled_from([0.0, 0.5, 0.9, 0.99])
DECAY = st.sampled_from([0.0, 1e-2, 0.5])


def sgd(p, g, state, step, lr, momentum, nesterov, weight_decay):
    g += weight_decay * p
    state[0] = momentum * state[0] + g
    return p - lr * (g + momentum * state[0] if nesterov else state[0])


def rmsprop(p, g, state, step, lr, alpha, eps, momentum, weight_decay):
    g += weight_decay * p
    state[0] = alpha * state[0] + (1 - alpha) * g**2
    state[1] = momentum * state[1] + g / (math.sqrt(state[0]) + eps)
    return p - lr * state[1]


def adam(p, g, state, step, lr, beta1, beta2, eps, weight_decay, decoupled):
    if decoupled:
        p -= lr * weight_decay * p
    else:
        g += weight_decay * p
    state[0] = beta1 * state[0] + (1 - beta1) * g
    state[1] = beta2 * state[1] + (1 - beta2) * g**2
    return p - lr * (state[0] / (1 - beta1**step)) / (math.sqrt(state[1] / (1 - beta2**step)) + eps)


def call(room, name: str, p, g, state, step: int, options: dict) -> None:
    counted = {"step": step} if name == "adam" else {}
    getattr(room, f"{name}_update")(p, g, *state, **counted, **options)


CASES = st.one_of(
    st.tuples(
        st.just("sgd"),
        st.fixed_dictionaries({"lr": RATE, "momentum": SHARE, "nesterov": st.booleans(), "weight_decay": DECAY}),
    ),
    st.tuples(
        st.just("rmsprop"),
        st.fixed_dictionaries(
            {"lr": RATE, "alpha": SHARE, "eps": st.just(0.1), "momentum": SHARE, "weight_decay": DECAY}
        ),
    ),
    st.tuples(
        st.just("adam"),
        st.fixed_dictionaries(
            {
                "lr": RATE,
                "beta1": SHARE,
                "beta2": SHARE,
                "eps": st.just(0.1),
                "weight_decay": DECAY,
                "decoupled": st.booleans(),
            }
        ),
    ),
)
FORMULAS = {"sgd": (sgd, 1), "rmsprop": (rmsprop, 2), "adam": (adam, 2)}


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(case=CASES, shape=st.sampled_from([(), (1,), (3, 5), (2, 0), (37,)]), seed=st.integers(0, 2**32 - 1))
def test_update_is_the_formula(room, dtype, case, shape, seed):
    name, options = case
    formula, states = FORMULAS[name]
    rng = np.random.default_rng(seed)
    p = rng.normal(size=shape).astype(dtype)
    state = [np.zeros(shape, dtype) for _ in range(states)]
    wanted, wanted_state = [float(v) for v in p.flat], [[0.0] * states for _ in range(p.size)]
    for step in (1, 2, 3):
        g = np.asarray(rng.normal(size=shape)).astype(dtype)
        before = g.copy()
        call(room, name, p, g, state, step, options)
        assert np.array_equal(g, before) and p.dtype == dtype and p.shape == shape
        for i, gi in enumerate(before.flat):
            wanted[i] = formula(wanted[i], float(gi), wanted_state[i], step, **options)
    # Three steps of about ten roundings of half an ulp. A gradient near zero, rounded on the scale of 1, is divided by
    # its eps of 0.1; the result is at most 10 / sqrt(1 - share), which `size` covers.
    size = max([1.0, *(abs(v) for v in wanted), *(abs(v) for s in wanted_state for v in s)])
    bound = 100 * np.finfo(dtype).eps * size
    assert np.all(np.abs(p.reshape(-1) - wanted) <= bound)
    for k, array in enumerate(state):
        if not (name == "sgd" or k == 1) or name == "adam" or options["momentum"]:  # unused buffers stay as they are
            assert np.all(np.abs(array.reshape(-1) - [s[k] for s in wanted_state]) <= bound)


TORCH_CASES = [
    ("SGD", "sgd", {"lr": 0.1}, {}),
    ("SGD", "sgd", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}, {}),
    ("SGD", "sgd", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, {}),
    ("RMSprop", "rmsprop", {"lr": 0.01}, {}),
    ("RMSprop", "rmsprop", {"lr": 0.01, "alpha": 0.9, "eps": 1e-6, "momentum": 0.5, "weight_decay": 0.1}, {}),
    ("Adam", "adam", {"lr": 0.01}, {"decoupled": False}),
    ("Adam", "adam", {"lr": 0.01, "betas": (0.5, 0.99), "eps": 1e-4, "weight_decay": 0.1}, {"decoupled": False}),
    ("AdamW", "adam", {"lr": 0.01, "weight_decay": 0.1}, {"decoupled": True}),
]
DEFAULTS = {
    "sgd": {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
    "rmsprop": {"alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "weight_decay": 0.0},
    "adam": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0},
}


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("theirs, ours, options, extra", TORCH_CASES)
def test_fifty_steps_equal_pytorch(room, theirs, ours, options, extra):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare 50 steps with")
    rng = np.random.default_rng(0)
    p = rng.normal(size=(4, 7))
    q = torch.tensor(p, requires_grad=True)
    optimizer = getattr(torch.optim, theirs)([q], **options)
    settings = DEFAULTS[ours] | options | extra
    if "betas" in settings:
        settings["beta1"], settings["beta2"] = settings.pop("betas")
    state = [np.zeros_like(p) for _ in range(FORMULAS[ours][1])]
    pull, noise = rng.normal(size=p.shape), rng.normal(size=(STEPS, *p.shape))
    for step in range(STEPS):
        q.grad = torch.tensor(np.sin(q.detach().numpy() * pull) + noise[step])
        optimizer.step()
        call(room, ours, p, np.sin(p * pull) + noise[step], state, step + 1, settings)
    # float64 rounding, 50 steps: far below 1e-9 unless a formula differs.
    assert np.abs(p - q.detach().numpy()).max() < 1e-9


@pytest.mark.parametrize("room", ROOMS)
def test_float32_arithmetic_is_as_good_as_its_format(room):
    # A float32 run of 50 steps stays near the float64 run: 1 - beta2 is not taken from a rounded beta2.
    rng = np.random.default_rng(1)
    start, gradients = rng.normal(size=100), rng.normal(size=(STEPS, 100))
    ends = []
    for dtype in DTYPES:
        p, m, v = start.astype(dtype), np.zeros(100, dtype), np.zeros(100, dtype)
        for step, g in enumerate(gradients, start=1):
            room.adam_update(p, g.astype(dtype), m, v, step, 1e-2, 0.9, 0.999, 1e-8, 0.0, False)
        ends.append(p)
    assert (
        np.abs(ends[0] - ends[1]).max() < 50 * np.finfo(np.float32).eps * 4
    )  # half an ulp of |p| < 4 and of a step each


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_strided_gradients_and_unused_buffers(room, dtype):
    rng = np.random.default_rng(2)
    p = rng.normal(size=(3, 4)).astype(dtype)
    g = rng.normal(size=(4, 3)).astype(dtype).T
    q, empty, square = p.copy(), np.empty(0, dtype), np.zeros_like(p)
    room.sgd_update(q, g, empty, 0.5, 0.0, False, 0.0)
    assert np.allclose(q, p - dtype(0.5) * g, rtol=0, atol=4 * np.finfo(dtype).eps)
    room.rmsprop_update(q, g, square, empty, 0.5, 0.99, 1e-8, 0.0, 0.0)
    assert np.allclose(square, 0.01 * g * g, rtol=8 * np.finfo(dtype).eps)
    a, b = q.copy(), q.copy()
    for array, gradient in ((a, g), (b, np.ascontiguousarray(g))):
        room.adam_update(array, gradient, np.zeros_like(q), np.zeros_like(q), 1, 0.1, 0.9, 0.999, 1e-8, 0.0, False)
    assert np.array_equal(a, b)


@pytest.mark.parametrize("room", ROOMS)
def test_errors_change_nothing(room):
    p, g = np.ones((3, 4)), np.ones((3, 4))
    adam_rest = (0.1, 0.9, 0.999, 1e-8, 0.0, False)
    bad = [
        (
            lambda: room.sgd_update(p, g[:2], g, 0.1, 0.9, False, 0),
            r"sgd_update: g has shape \(2, 4\) .* but p has \(3, 4\)",
        ),
        (lambda: room.sgd_update(p, g, g[0], 0.1, 0.9, False, 0), "sgd_update: momentum_buffer has shape"),
        (
            lambda: room.sgd_update(p, g.astype(np.float32), g, 0.1, 0, False, 0),
            "g has shape .* and dtype float32, but p",
        ),
        (
            lambda: room.sgd_update(p.T, g.T, g.T, 0.1, 0, False, 0),
            "sgd_update: p is changed in place and must be C-cont",
        ),
        (lambda: room.sgd_update(p.astype(int), g, g, 0.1, 0, False, 0), "p is float32 or float64, got int64"),
        (lambda: room.rmsprop_update(p, g, g[:1], g, 0.1, 0.9, 1e-8, 0, 0), "rmsprop_update: square_avg has shape"),
        (lambda: room.adam_update(p, g, g, np.ones((4, 3)).T, 1, *adam_rest), "adam_update: v is changed in place"),
        (lambda: room.adam_update(p, g, g.copy(), g.copy(), 0, *adam_rest), "adam_update: step counts from 1, got 0"),
    ]
    for update, message in bad:
        with pytest.raises(ValueError, match=message):
            update()
    assert np.all(p == 1) and np.all(g == 1)
    frozen = p.copy()
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        room.sgd_update(frozen, g, g.copy(), 0.1, 0.9, False, 0)


@pytest.mark.parametrize("room", ROOMS, ids=["reference", "cpu"])
@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=0, max_size=5), min_size=1, max_size=4), st.floats(1e-3, 1e4))
def test_clipped_gradients_keep_their_direction_and_have_at_most_the_norm(room, rows, max_norm):
    gradients = [np.array(row) for row in rows]
    clipped, norm = room.clip_norm(gradients, max_norm)
    exact = math.sqrt(math.fsum(x * x for row in rows for x in row))
    factor = min(1.0, max_norm / (exact + 1e-6))
    assert norm.shape == () and math.isclose(norm, exact, rel_tol=1e-12, abs_tol=1e-300)
    for before, after in zip(gradients, clipped, strict=True):
        np.testing.assert_allclose(after, before * factor, rtol=1e-12)
    alone, same = room.clip_norm(gradients[0], max_norm)  # the square of what is below 1e-162 is 0
    assert isinstance(alone, np.ndarray) and math.isclose(same, math.hypot(*rows[0]), rel_tol=1e-12, abs_tol=1e-150)


@pytest.mark.parametrize("dtype", DTYPES)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([-1, 1, 2])), max_size=4), min_size=1, max_size=3),
    st.randoms(use_true_random=False),
)
def test_gradients_in_any_order_of_memory_are_clipped_alike(dtype, axes, random):
    rng = np.random.default_rng(random.getrandbits(32))
    gradients = []
    for steps in axes:
        whole = rng.standard_normal([n * abs(step) for n, step in steps]).astype(dtype)
        part = whole[tuple(slice(None, None, step) for _, step in steps)] if steps else whole.reshape(())
        gradients.append(part.transpose(rng.permutation(part.ndim)))
    clipped, norm = cpu.clip_norm(gradients, 0.5)
    wanted, exact = reference.clip_norm(gradients, 0.5)
    close = 1e-12 if dtype is np.float64 else 1e-5
    assert norm.dtype == dtype and np.isclose(norm, exact, rtol=close)
    for before, after, right in zip(gradients, clipped, wanted, strict=True):
        assert (after.shape, after.dtype) == (before.shape, before.dtype) and not np.shares_memory(after, before)
        np.testing.assert_allclose(after, right, rtol=close)


@pytest.mark.parametrize("size", [1, 16384, 16385, 100_003])
def test_the_norm_of_many_numbers_is_summed_piece_by_piece(size):
    x = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    (clipped,), norm = cpu.clip_norm([x], 0.1)
    exact = math.sqrt(math.fsum(float(v) ** 2 for v in x))
    assert math.isclose(norm, exact, rel_tol=1e-7)
    np.testing.assert_allclose(clipped, x * np.float32(0.1 / (exact + 1e-6)), rtol=3e-7)

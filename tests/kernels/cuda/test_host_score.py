"""The CUDA kernel of the statistics of scores on the host: the checks of the other rooms, and many scores."""

from __future__ import annotations

import functools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.test_score_kernel import SCORES, SHAPES, check, check_mean_difference, check_unit_norm_penalty

from minigen_kernels import cuda, reference


@settings(max_examples=30)
@given(real=SCORES, fake=SCORES, dtype=st.sampled_from([np.float32, np.float64]), logits=st.booleans())
def test_score_statistics(host, real, fake, dtype, logits):
    check(functools.partial(host.run, cuda.score_statistics), dtype, real, fake, 0.5, logits)


def test_more_scores_than_threads(host):
    real, fake = np.random.default_rng(0).normal(size=(2, 700))
    got = host.run(cuda.score_statistics, real, fake, 0.1, True)
    np.testing.assert_allclose(got, reference.score_statistics(real, fake, 0.1, True), rtol=1e-13)


@settings(max_examples=20)
@given(a=SCORES, b=SCORES, dtype=st.sampled_from([np.float32, np.float64]))
def test_mean_difference(host, a, b, dtype):
    check_mean_difference(lambda name, *arguments: host.run(getattr(cuda, name), *arguments), dtype, a, b)


@settings(max_examples=20)
@given(shape=SHAPES, seed=st.integers(0, 99), dtype=st.sampled_from([np.float32, np.float64]))
def test_unit_norm_penalty(host, shape, seed, dtype):
    check_unit_norm_penalty(lambda name, *arguments: host.run(getattr(cuda, name), *arguments), dtype, shape, seed)

"""The guard: weights are kept only while every gradient is a finite number."""

import numpy as np
import pytest

from tests.kernels.strategies import DTYPES

P = 50_000  # enough to be shared out over the threads


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, P])
def test_finite_gradients_keep_the_values(backend, size, dtype):
    rng = np.random.default_rng(0)
    values, kept = rng.standard_normal(size).astype(dtype), np.full(size, np.nan, dtype)
    gradients = rng.standard_normal(size).astype(dtype) * (np.finfo(dtype).max / 8)
    assert backend.keep_if_finite(gradients, values, kept) is True
    assert np.array_equal(kept, values)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 4095, 4096, P - 1])
def test_one_bad_gradient_keeps_nothing(backend, place, bad, dtype):
    values, gradients, kept = np.ones(P, dtype), np.ones(P, dtype), np.full(P, 7, dtype)
    gradients[place] = bad
    assert backend.keep_if_finite(gradients, values, kept) is False
    assert (kept == 7).all() and (values == 1).all()

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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [1.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_others_must_be_finite_too(backend, place, bad, dtype):
    values, gradients, kept = np.ones(3, dtype), np.ones(3, dtype), np.full(3, 7, dtype)
    others = np.ones(40), np.ones(5, dtype), np.ones((2, 300))  # float64, as costs are, and those of the gradients
    others[place].flat[-1] = bad
    assert backend.keep_if_finite(gradients, values, kept, others) is (bad == 1)
    assert (kept == (1 if bad == 1 else 7)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [0, 1, 4097, P])
def test_clip_by_value(backend, size, dtype):
    gradients = np.random.default_rng(0).standard_normal(size).astype(dtype)
    want = np.where(gradients > 0.5, dtype(0.5), np.where(gradients < -0.5, dtype(-0.5), gradients))
    backend.clip_by_value(gradients, 0.5)
    assert np.array_equal(gradients, want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 4096, 4097, P])
def test_clip_by_norm(backend, size, dtype):
    gradients = np.random.default_rng(0).standard_normal(size).astype(dtype)
    norm = float(np.sqrt(sum(float(g) ** 2 for g in gradients)))
    same, shorter = gradients.copy(), gradients.copy()
    backend.clip_by_norm(same, norm * 1.001)
    assert np.array_equal(same, gradients)
    backend.clip_by_norm(shorter, norm / 4)
    assert np.allclose(shorter, gradients / 4, rtol=8 * np.finfo(dtype).eps, atol=0)


def test_clipping_by_hand(backend):
    gradients = np.array([3.0, -4.0])
    backend.clip_by_norm(gradients, 2.5)
    assert np.array_equal(gradients, [1.5, -2.0])
    backend.clip_by_value(gradients, 1.75)
    assert np.array_equal(gradients, [1.5, -1.75])


def test_clipping_hides_no_nan(backend):
    for clip in (backend.clip_by_value, backend.clip_by_norm):
        gradients = np.array([1.0, np.nan])
        clip(gradients, 0.5)
        assert np.isnan(gradients[1])

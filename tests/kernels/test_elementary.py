"""exp, log and their kin: right to a few units in the last place, and at the ends of the line."""

import numba
import numpy as np
import pytest

from tests.kernels.strategies import DTYPES

elementary = pytest.importorskip("minicae.kernels.cpu._elementary")
compiled = numba.njit(error_model="numpy")
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)


@compiled
def run(function, x, y):
    for i in range(y.size):
        y[i] = function(x[i])


@compiled
def exp(v):
    return elementary.exp(v)


@compiled
def expm1(v):
    return elementary.expm1(v)


@compiled
def log1p(v):
    return elementary.log1p(v)


@compiled
def tanh(v):
    return elementary.tanh(v)


@compiled
def log(v):
    return elementary.log(np.float64(v))


def values(function, x):
    y = np.empty_like(x)
    run(function, x, y)
    return y


@both_dtypes
@pytest.mark.parametrize(
    "function, definition, low, high",
    [
        (exp, np.exp, -80, 80),
        (exp, np.exp, -1, 1),
        (expm1, np.expm1, -80, 80),
        (expm1, np.expm1, -1e-3, 1e-3),
        (log1p, np.log1p, -0.99, 1),
        (log1p, np.log1p, -1e-3, 1e-3),
        (tanh, np.tanh, -10, 10),
        (tanh, np.tanh, -1e-3, 1e-3),
        (log, np.log, 0, 1),
        (log, np.log, 0.99, 1.01),
    ],
)
def test_a_few_units_in_the_last_place(function, definition, low, high, dtype):
    x = np.random.default_rng(0).uniform(low, high, 20_000).astype(dtype)
    want = definition(x.astype(np.longdouble))
    error = np.abs(values(function, x) - want) / np.spacing(np.abs(want).astype(dtype))
    assert error.max() < 3


@both_dtypes
def test_at_the_ends_of_the_line(dtype):
    x = np.array([-np.inf, -1e4, -0.0, 0, 1e4, np.inf], dtype)
    assert values(exp, x).tolist() == [0, 0, 1, 1, np.inf, np.inf]
    assert values(expm1, x).tolist() == [-1, -1, 0, 0, np.inf, np.inf]
    assert values(tanh, x).tolist() == [-1, -1, 0, 0, 1, 1]
    assert np.signbit(values(tanh, x)[2:4]).tolist() == [True, False]
    assert values(log1p, np.array([0, 1e-30], dtype)).tolist() == [0, dtype(1e-30)]
    assert np.all(values(log, np.array([0, -0.0], dtype)) < -700)
    for function in exp, expm1, tanh, log1p, log:
        assert np.isnan(values(function, np.array([np.nan], dtype))).all()
    assert np.isnan(values(log, np.array([-1], dtype))).all()

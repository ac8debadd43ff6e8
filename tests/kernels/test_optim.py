"""Optimizers: five steps of every one against its formula, a weight at a time."""

from math import sqrt

import numpy as np
import pytest

from tests.kernels.strategies import DTYPES, assert_close

both_dtypes = pytest.mark.parametrize("dtype", DTYPES)
P, STEPS = 21, 5


def data(dtype):
    """Start values, and the gradients of each step."""
    rng = np.random.default_rng(0)
    return rng.standard_normal(P).astype(dtype), rng.standard_normal((STEPS, P)).astype(dtype)


def assert_same(values, want, dtype):
    assert values.dtype == dtype
    assert_close(values, want, 32 * np.finfo(dtype).eps)


@both_dtypes
@pytest.mark.parametrize("weight_decay", [0.0, 0.2])
@pytest.mark.parametrize("momentum, nesterov", [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd(backend, momentum, nesterov, weight_decay, dtype):
    values, gradients = data(dtype)
    want = []
    for p in range(P):
        w, v = float(values[p]), 0.0
        for step in range(STEPS):
            g = float(gradients[step, p])
            v = momentum * v - 0.1 * g
            w = w - 0.1 * weight_decay * w + (momentum * v - 0.1 * g if nesterov else v)
        want.append(w)
    without, velocity = values.copy(), np.zeros_like(values)
    for g in gradients:
        backend.sgd_step(values, g, velocity, 0.1, momentum, nesterov, weight_decay)
        if momentum == 0:
            backend.sgd_step(without, g, None, 0.1, momentum, nesterov, weight_decay)
    assert_same(values, want, dtype)
    if momentum == 0:
        assert_same(without, want, dtype)


@both_dtypes
def test_rmsprop(backend, dtype):
    values, gradients = data(dtype)
    want = []
    for p in range(P):
        w, s = float(values[p]), 0.0
        for step in range(STEPS):
            g = float(gradients[step, p])
            s = 0.9 * s + 0.1 * g * g
            w = w - 0.01 * g / (sqrt(s) + 1e-3)
        want.append(w)
    mean_square = np.zeros_like(values)
    for g in gradients:
        backend.rmsprop_step(values, g, mean_square, 0.01, 0.9, 1e-3)
    assert_same(values, want, dtype)


@both_dtypes
@pytest.mark.parametrize("weight_decay", [0.0, 0.2])
def test_adam(backend, weight_decay, dtype):
    values, gradients = data(dtype)
    want = []
    for p in range(P):
        w, m, v = float(values[p]), 0.0, 0.0
        for step in range(1, STEPS + 1):
            g = float(gradients[step - 1, p])
            w = w - 0.01 * weight_decay * w
            m = 0.9 * m + 0.1 * g
            v = 0.99 * v + 0.01 * g * g
            w = w - 0.01 * (m / (1 - 0.9**step)) / (sqrt(v / (1 - 0.99**step)) + 1e-3)
        want.append(w)
    m, v = np.zeros_like(values), np.zeros_like(values)
    for step, g in enumerate(gradients, 1):
        backend.adam_step(values, g, m, v, 0.01, 0.9, 0.99, 1e-3, weight_decay, step)
    assert_same(values, want, dtype)


@both_dtypes
def test_nadam(backend, dtype):
    values, gradients = data(dtype)
    mu = [0.9 * (1 - 0.5 * 0.96 ** (0.004 * step)) for step in range(STEPS + 2)]  # mu[1] is the first
    products = [float(np.prod(mu[1 : step + 1])) for step in range(STEPS + 1)]
    want = []
    for p in range(P):
        w, m, v = float(values[p]), 0.0, 0.0
        for step in range(1, STEPS + 1):
            g = float(gradients[step - 1, p])
            m = 0.9 * m + 0.1 * g
            v = 0.99 * v + 0.01 * g * g
            ahead = mu[step + 1] * m / (1 - products[step] * mu[step + 1])
            now = (1 - mu[step]) * g / (1 - products[step])
            w = w - 0.01 * (ahead + now) / (sqrt(v / (1 - 0.99**step)) + 1e-3)
        want.append(w)
    m, v = np.zeros_like(values), np.zeros_like(values)
    for step, g in enumerate(gradients, 1):
        settings = 0.01, 0.9, 0.99, 1e-3, step, mu[step], mu[step + 1], products[step]
        backend.nadam_step(values, g, m, v, *settings)
    assert_same(values, want, dtype)


@both_dtypes
def test_the_first_step_of_adam_is_the_learning_rate(backend, dtype):
    """Whatever the size of the gradient: m_hat / sqrt(v_hat) is its sign."""
    values = np.zeros(3, dtype)
    backend.adam_step(
        values, np.array([5, -0.01, 300], dtype), values.copy(), values.copy(), 0.5, 0.9, 0.999, 0.0, 0.0, 1
    )
    assert_close(values, [-0.5, 0.5, -0.5], 1e-4)


@both_dtypes
def test_a_nan_gradient_stays_with_its_weight(backend, dtype):
    g = np.array([1, np.nan, 1], dtype)
    for kernel, arrays, settings in (
        (backend.sgd_step, 1, (0.1, 0.9, True)),
        (backend.rmsprop_step, 1, (0.1, 0.9, 1e-7)),
        (backend.adam_step, 2, (0.1, 0.9, 0.99, 1e-7, 0.0, 1)),
        (backend.nadam_step, 2, (0.1, 0.9, 0.99, 1e-7, 1, 0.5, 0.5, 0.5)),
    ):
        values = np.zeros(3, dtype)
        kernel(values, g, *np.zeros((arrays, 3), dtype), *settings)
        assert np.isnan(values).tolist() == [False, True, False]


@both_dtypes
def test_sgd_decays_no_weight_unless_it_is_told_to(backend, dtype):
    values, gradients = np.array([1, -2, 4], dtype), np.zeros(3, dtype)
    backend.sgd_step(values, gradients, None, 0.5, 0.0, False)
    assert values.tolist() == [1, -2, 4]
    backend.sgd_step(values, gradients, None, 0.5, 0.0, False, 0.5)
    assert values.tolist() == [0.75, -1.5, 3]

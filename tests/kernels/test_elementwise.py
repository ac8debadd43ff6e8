"""Activations, softmax, batch normalisation, noise and memory: held to formulas written out here."""

import numpy as np
import pytest

from tests import naive
from tests.kernels.strategies import DTYPES, assert_close, blank, cast, inner, integers

both_dtypes = pytest.mark.parametrize("dtype", DTYPES)

ALPHA = 0.75
# Values at minus infinity, -1e4, 1e4 and infinity, and the slopes there.
LIMITS = {
    "linear": ([-np.inf, -1e4, 1e4, np.inf], [1, 1, 1, 1]),
    "relu": ([0, 0, 1e4, np.inf], [0, 0, 1, 1]),
    "leaky_relu": ([-np.inf, -7500, 1e4, np.inf], [0.75, 0.75, 1, 1]),
    "elu": ([-0.75, -0.75, 1e4, np.inf], [0, 0, 1, 1]),
    "sigmoid": ([0, 0, 1, 1], [0, 0, 0, 0]),
    "tanh": ([-1, -1, 1, 1], [0, 0, 0, 0]),
    "softplus": ([0, 0, 1e4, np.inf], [0, 0, 1, 1]),
}
each_activation = pytest.mark.parametrize("activation", naive.ACTIVATIONS)


def noise(dtype, *shapes):
    rng = np.random.default_rng(0)
    return cast(dtype, *(rng.standard_normal(shape) for shape in shapes))


@both_dtypes
@each_activation
@pytest.mark.parametrize("shape", [(1,), (37,), (5, 7), (2, 3, 5, 4), (3, 40, 40, 8)])
def test_activations_and_their_slopes(backend, activation, shape, dtype):
    x, dy = noise(dtype, shape, shape)
    y, dpre = blank(shape, dtype), blank(shape, dtype)
    backend.activation_forward(x, y, activation, ALPHA)
    backend.activation_backward(dy, y, dpre, activation, ALPHA)
    want = naive.ACTIVATIONS[activation](x.astype(complex) + 1e-30j, ALPHA)
    bound = 8 * np.finfo(dtype).eps
    assert_close(y, want.real, bound * (1 + np.abs(want.real)))
    assert_close(dpre, dy * want.imag / 1e-30, bound * (1 + np.abs(dy)))


@both_dtypes
@pytest.mark.parametrize("size", [4094, 4095, 4096, 4097, 8192])
def test_activations_of_as_many_numbers_as_are_done_at_a_time(backend, size, dtype):
    """Whole runs, and one more or less: nothing is left out, nothing is written beyond the end."""
    x, dy = (integers(np.random.default_rng(seed), size).astype(dtype) for seed in range(2))
    y, dpre = np.full((2, size + 100), 5, dtype)
    backend.activation_forward(x, y[:size], "leaky_relu", ALPHA)
    backend.activation_backward(dy, y[:size], dpre[:size], "leaky_relu", ALPHA)
    assert np.array_equal(y, np.append(np.where(x > 0, x, ALPHA * x), np.full(100, 5)))
    assert np.array_equal(dpre, np.append(np.where(x > 0, dy, ALPHA * dy), np.full(100, 5)))


@both_dtypes
@each_activation
def test_activations_work_in_place(backend, activation, dtype):
    x, dy = noise(dtype, (6, 5), (6, 5))
    y, dpre = blank(x.shape, dtype), blank(x.shape, dtype)
    backend.activation_forward(x, y, activation, ALPHA)
    backend.activation_backward(dy, y, dpre, activation, ALPHA)
    backend.activation_forward(x, x, activation, ALPHA)
    backend.activation_backward(dy, y, dy, activation, ALPHA)
    assert np.array_equal(x, y)
    assert np.array_equal(dy, dpre)


@both_dtypes
@each_activation
def test_activations_at_the_ends_of_the_line(backend, activation, dtype):
    x = np.array([-np.inf, -1e4, 1e4, np.inf], dtype)
    y, dpre = blank(x.shape, dtype), blank(x.shape, dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        backend.activation_forward(x, y, activation, ALPHA)
        backend.activation_backward(np.ones_like(x), y, dpre, activation, ALPHA)
    values, slopes = LIMITS[activation]
    assert y.tolist() == values
    assert dpre.tolist() == slopes


@both_dtypes
@each_activation
def test_activations_keep_a_nan_and_an_empty_batch(backend, activation, dtype):
    x = np.array([1, np.nan, -1], dtype)
    y = np.zeros(3, dtype)
    backend.activation_forward(x, y, activation, ALPHA)
    assert np.isnan(y).tolist() == [False, True, False]
    backend.activation_forward(np.zeros((0, 3), dtype), np.zeros((0, 3), dtype), activation, ALPHA)


@both_dtypes
def test_at_the_kink_the_slope_is_that_of_the_left(backend, dtype):
    y, dpre = np.zeros(1, dtype), blank((1,), dtype)
    for activation, slope in ("relu", 0), ("leaky_relu", ALPHA), ("elu", ALPHA):
        backend.activation_backward(np.ones(1, dtype), y, dpre, activation, ALPHA)
        assert dpre[0] == slope


@both_dtypes
@pytest.mark.parametrize("shape", [(4, 5), (2, 4, 2, 3), (3, 1), (5, 70)])
def test_softmax(backend, shape, dtype):
    x, dy = noise(dtype, shape, shape)
    y, dx = blank(shape, dtype), blank(shape, dtype)
    backend.softmax_forward(x, y)
    backend.softmax_backward(dy, y, dx)

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)

    bound = 16 * np.finfo(dtype).eps
    assert_close(y, softmax(x.astype(float)), bound)
    assert_close(dx, naive.complex_step(lambda x: (dy * softmax(x)).sum(), x.astype(float)), bound * np.abs(dy).max())


@both_dtypes
def test_softmax_of_large_numbers_and_of_a_nan(backend, dtype):
    x = np.array([[1e4, 1e4, -1e4], [0, np.nan, 0], [-1e4, 1e4, -1e4]], dtype)
    y = blank(x.shape, dtype)
    backend.softmax_forward(x, y)
    assert y[0].tolist() == [0.5, 0.5, 0]
    assert np.isnan(y[1]).all()
    assert y[2].tolist() == [0, 1, 0]


def normalise(x, gamma, beta, mean=None, variance=None):
    """Batch normalisation by its formula, for complex numbers too; epsilon is 1e-3."""
    axes = tuple(range(x.ndim - 1))
    if mean is None:
        mean = x.sum(axis=axes) / (x.size / x.shape[-1])
        variance = ((x - mean) ** 2).sum(axis=axes) / (x.size / x.shape[-1])
    return (x - mean) / (variance + 1e-3) ** 0.5 * gamma + beta


@both_dtypes
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(7, 3), (2, 3, 4, 5), (9, 1), (1, 5, 3, 2), (1, 700), (1500, 7), (9, 1100)])
def test_batchnorm(backend, shape, training, dtype):
    C = shape[-1]
    x, dy, gamma, beta, mean, variance = noise(dtype, shape, shape, C, C, C, C)
    variance = variance**2
    if training:
        mean, variance = blank((C,), dtype), blank((C,), dtype)
        backend.batchnorm_statistics(x, mean, variance)
    y, dx, dgamma, dbeta = (blank(s, dtype) for s in (shape, shape, (C,), (C,)))
    backend.batchnorm_forward(x, mean, variance, gamma, beta, y, 1e-3)
    backend.batchnorm_backward(x, dy, mean, variance, gamma, dx, dgamma, dbeta, 1e-3, training)

    x, dy, gamma, beta, mean, variance = cast(np.float64, x, dy, gamma, beta, mean, variance)
    constants = () if training else (mean, variance)

    def charged(x=x, gamma=gamma, beta=beta):
        return (dy * normalise(x, gamma, beta, *constants)).sum()

    bound = 64 * np.finfo(dtype).eps * x.size
    assert_close(y, normalise(x, gamma, beta, *constants), bound)
    assert_close(dx, naive.complex_step(charged, x), bound)
    assert_close(dgamma, naive.complex_step(lambda gamma: charged(gamma=gamma), gamma), bound)
    assert_close(dbeta, naive.complex_step(lambda beta: charged(beta=beta), beta), bound)


@both_dtypes
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(7, 9, 14, 10), (1500, 7), (4096, 4), (33, 520)])
def test_batchnorm_of_many_numbers(backend, shape, training, dtype):
    """The gradients along three random directions, by the complex step: they are too many to be taken one by one."""
    C, rng = shape[-1], np.random.default_rng(4)
    x, dy, mean, gamma, beta = cast(dtype, *(rng.standard_normal(s) + 1 for s in (shape, shape, C, C, C)))
    variance = rng.uniform(1, 2, C).astype(dtype)
    if training:
        backend.batchnorm_statistics(x, mean, variance)
        flat = x.reshape(-1, C).astype(float)
        assert_close(mean, flat.mean(axis=0), 64 * np.finfo(dtype).eps)
        assert_close(variance, flat.var(axis=0), 64 * np.finfo(dtype).eps)
    y, dx, dgamma, dbeta = (blank(s, dtype) for s in (shape, shape, (C,), (C,)))
    backend.batchnorm_forward(x, mean, variance, gamma, beta, y, 1e-3)
    backend.batchnorm_backward(x, dy, mean, variance, gamma, dx, dgamma, dbeta, 1e-3, training)
    x, dy, gamma, beta = cast(float, x, dy, gamma, beta)
    constants = () if training else cast(float, mean, variance)
    bound = 64 * np.finfo(dtype).eps
    assert_close(y, normalise(x, gamma, beta, *constants), 8 * bound)
    for _ in range(3):
        ways = [rng.standard_normal(s) for s in (shape, C, C)]
        moved = [one + 1e-30j * way for one, way in zip((x, gamma, beta), ways)]
        slopes = dy * normalise(*moved, *constants).imag / 1e-30
        parts = [inner(way, gradient) for way, gradient in zip(ways, (dx, dgamma, dbeta))]
        assert abs(sum(parts) - slopes.sum()) <= bound * np.abs(slopes).sum()


@both_dtypes
def test_batchnorm_statistics(backend, dtype):
    mean, variance = blank((2,), dtype), blank((2,), dtype)
    backend.batchnorm_statistics(np.array([[1, 5], [2, 5], [6, 5]], dtype), mean, variance)
    assert_close(mean, [3, 5], 4 * np.finfo(dtype).eps)
    assert_close(variance, [14 / 3, 0], 4 * np.finfo(dtype).eps * 5)
    far_away = 1000 + noise(dtype, (40, 9, 9, 2))[0]  # where E[x^2] - E[x]^2 is lost in rounding
    backend.batchnorm_statistics(far_away, mean, variance)
    assert_close(variance, far_away.astype(float).var(axis=(0, 1, 2)), 1e-3)


@both_dtypes
def test_dropout_by_hand(backend, dtype):
    x, uniform = np.array([1, 2, 3, np.nan], dtype), np.array([0.0, 0.5, 0.25, 0.75], dtype)
    y, dx = blank((4,), dtype), blank((4,), dtype)
    backend.dropout_forward(x, uniform, y, 0.5, 2.0)
    assert y[:3].tolist() == [0, 4, 0]
    assert np.isnan(y[3])
    backend.dropout_backward(np.array([5, 6, 7, 8], dtype), uniform, dx, 0.5, 2.0)
    assert dx.tolist() == [0, 12, 0, 16]


@both_dtypes
def test_gaussian_noise_by_hand(backend, dtype):
    y = blank((2,), dtype)
    backend.gaussian_noise_forward(np.array([1, 2], dtype), np.array([-2, 4], dtype), y, 0.5)
    assert y.tolist() == [0, 4]


@both_dtypes
def test_salt_and_pepper_by_hand(backend, dtype):
    x, uniform = np.array([2, 3, 4, 5, 6], dtype), np.array([0.0, 0.1875, 0.25, 0.5, 0.75], dtype)
    y, dx = blank((5,), dtype), blank((5,), dtype)
    backend.salt_pepper_forward(x, uniform, y, 0.5, -1.0, 9.0)
    assert y.tolist() == [-1, -1, 9, 5, 6]
    backend.salt_pepper_backward(x, uniform, dx, 0.5)
    assert dx.tolist() == [0, 0, 0, 5, 6]


@both_dtypes
def test_occlusion_by_hand(backend, dtype):
    x = np.arange(2 * 3 * 4, dtype=dtype).reshape(2, 3, 4, 1)
    corners = np.array([[0, 1], [1, 2]], np.int32)
    y, dx = blank(x.shape, dtype), blank(x.shape, dtype)
    backend.occlusion_forward(x, corners, y, (1, 2), -5.0)
    assert y[0, :, :, 0].tolist() == [[0, -5, -5, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert y[1, :, :, 0].tolist() == [[12, 13, 14, 15], [16, 17, -5, -5], [20, 21, 22, 23]]
    backend.occlusion_backward(x, corners, dx, (1, 2))
    assert np.array_equal(dx, np.where(y == -5, 0, x))


@both_dtypes
@pytest.mark.parametrize("shape", [(2, 3, 4, 3), (3, 30, 31, 5)])
def test_pad_and_crop_are_adjoint(backend, shape, dtype):
    N, H, W, C = shape
    rng = np.random.default_rng(1)
    x, g = cast(dtype, integers(rng, *shape), integers(rng, N, H + 3, W + 7, C))
    y, dx = blank(g.shape, dtype), blank(shape, dtype)
    backend.pad2d(x, y, (1, 2, 3, 4))
    backend.crop2d(g, dx, (1, 2, 3, 4))
    assert np.array_equal(y, np.pad(x, ((0, 0), (1, 2), (3, 4), (0, 0))))
    assert inner(y, g) == inner(x, dx)


@both_dtypes
@pytest.mark.parametrize("shape, classes", [((8, 3), 4), ((8, 2, 3, 1), 2), ((8, 30, 31, 3), 10)])
def test_labels_go_behind_the_channels(backend, shape, classes, dtype):
    (x,), labels = noise(dtype, shape), np.array([0, 1, classes - 1, classes, -1, np.nan, 0.75, np.inf], dtype)
    y = blank((*shape[:-1], shape[-1] + classes), dtype)
    backend.append_one_hot(x, labels, y)
    assert np.array_equal(y[..., : shape[-1]], x)
    hot = [0, 1, classes - 1, None, None, None, 1, None]
    for n, k in np.ndindex(8, classes):
        assert (y[n, ..., shape[-1] + k] == (hot[n] == k)).all()


@both_dtypes
def test_a_label_between_two_classes_is_rounded_to_the_even_one(backend, dtype):
    below, above = np.nextafter(dtype(0.5), dtype(0)), np.nextafter(dtype(0.5), dtype(1))
    labels = np.array([0.5, 1.5, 2.5, 3.5, -0.5, below, above, -above], dtype)
    y = blank((8, 5), dtype)
    backend.append_one_hot(np.zeros((8, 0), dtype), labels, y)
    assert [row.nonzero()[0].tolist() for row in y] == [[0], [2], [2], [4], [0], [0], [1], []]


@both_dtypes
def test_no_samples_have_no_labels(backend, dtype):
    y = blank((0, 2, 3, 6), dtype)
    backend.append_one_hot(blank((0, 2, 3, 4), dtype), blank((0,), dtype), y)
    assert y.shape == (0, 2, 3, 6)


@both_dtypes
def test_transpose(backend, dtype):
    (x,), y = noise(dtype, (3, 5)), blank((5, 3), dtype)
    backend.transpose(x, y)
    assert all(y[c, n] == x[n, c] for n in range(3) for c in range(5))


@both_dtypes
def test_running_statistics_move_a_share_of_the_way(backend, dtype):
    mean, variance = np.array([1, 2], dtype), np.array([4, 8], dtype)
    running = np.array([5, 2], dtype), np.array([4, 0], dtype)
    backend.batchnorm_follow(mean, variance, *running, 0.75)
    assert [array.tolist() for array in running] == [[4, 2], [4, 2]]


@both_dtypes
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_running_statistics_keep_no_trace_of_a_bad_batch(backend, bad, dtype):
    mean, variance = np.array([1, 2], dtype), np.array([4, bad], dtype)
    running = np.array([5, 2], dtype), np.array([4, 0], dtype)
    backend.batchnorm_follow(mean, variance, *running, 0.75)
    assert [array.tolist() for array in running] == [[5, 2], [4, 0]]


@both_dtypes
def test_add(backend, dtype):
    x, other = noise(dtype, (3, 5), (3, 5))
    want, y = x + other, blank((3, 5), dtype)
    backend.add(x, other, y)
    backend.add(x, other, x)
    assert np.array_equal(y, want)
    assert np.array_equal(x, want)


@both_dtypes
def test_scale(backend, dtype):
    (x,) = noise(dtype, (50, 999))
    want = x * dtype(0.3)
    backend.scale(x, 0.3)
    assert np.array_equal(x, want)

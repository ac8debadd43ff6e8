"""Losses, sampling and penalties: numbers typed by hand, gradients by the complex step, sums in float64."""

import numpy as np
import pytest

from tests import naive
from tests.kernels.strategies import DTYPES, assert_close, blank, cast

both_dtypes = pytest.mark.parametrize("dtype", DTYPES)

# Formulas that also take complex numbers, for the complex step.
LOSSES = {
    "mse": lambda y, t: (y - t) ** 2,
    "mae": lambda y, t: np.where(y.real > t, y - t, t - y),
    "bce": lambda y, t: -t * np.log(y) - (1 - t) * np.log(1 - y),
    "bce_logits": lambda y, t: np.log(1 + np.exp(y)) - y * t,
}
each_loss = pytest.mark.parametrize("loss", LOSSES)


def total(kernel, *arrays):
    per_image = blank((len(arrays[0]),), np.float64)
    kernel(*arrays, per_image)
    return per_image


@both_dtypes
@each_loss
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (2, 5, 4, 3), (5, 28, 28, 1)])
def test_losses_and_their_gradients(backend, loss, shape, dtype):
    rng = np.random.default_rng(0)
    y, target = cast(dtype, rng.uniform(0.05, 0.95, shape), rng.uniform(0, 1, shape))
    got, dy = total(getattr(backend, f"{loss}_forward"), y, target), blank(shape, dtype)
    getattr(backend, f"{loss}_backward")(y, target, dy, 0.3)
    want = LOSSES[loss](y.astype(complex) + 1e-30j, target.astype(float))
    eps = np.finfo(dtype).eps
    assert_close(got, want.real.reshape(shape[0], -1).sum(axis=1), 16 * eps * y[0].size)
    assert_close(dy, 0.3 * want.imag / 1e-30, 64 * eps * (1 + np.abs(want.imag / 1e-30)))


@both_dtypes
def test_logits_on_both_sides_of_nothing(backend, dtype):
    y = np.linspace(-3, 3, 25).astype(dtype).reshape(5, 5)
    target, dy = np.full((5, 5), 0.25, dtype), blank((5, 5), dtype)
    got = total(backend.bce_logits_forward, y, target)
    backend.bce_logits_backward(y, target, dy, 2.0)
    want = LOSSES["bce_logits"](y.astype(complex) + 1e-30j, 0.25)
    assert_close(got, want.real.sum(axis=1), 64 * np.finfo(dtype).eps)
    assert_close(dy, 2 * want.imag / 1e-30, 8 * np.finfo(dtype).eps)


@both_dtypes
@each_loss
@pytest.mark.parametrize("size", [4095, 4096, 4097, 8192])
def test_gradients_of_as_many_numbers_as_are_done_at_a_time(backend, loss, size, dtype):
    """Whole runs, and one more or less: as if each half had been done by itself, and nothing beyond the end."""
    rng = np.random.default_rng(0)
    y, target = cast(dtype, rng.uniform(0.05, 0.95, (1, size)), rng.uniform(0, 1, (1, size)))
    dy, halves = np.full((1, size + 100), 5, dtype), blank((1, size), dtype)
    kernel = getattr(backend, f"{loss}_backward")
    kernel(y, target, dy[:, :size], 0.3)
    for half in (slice(0, size // 2), slice(size // 2, size)):
        kernel(y[:, half], target[:, half], halves[:, half], 0.3)
    assert np.array_equal(dy[:, :size], halves) and (dy[:, size:] == 5).all()


@both_dtypes
@pytest.mark.parametrize(
    "loss, y, target, want",
    [
        ("mse", [[1, 2], [3, 4]], [[1, 0], [0, 4]], [4, 9]),
        ("mae", [[1, 2], [3, 4]], [[1, 0], [0, 4]], [2, 3]),
        ("bce", [[0, 1], [1, 0], [0.5, 0.5]], [[0, 1], [0, 1], [0, 0.25]], [0, 200, 2 * np.log(2)]),
        (
            "bce_logits",
            [[0, 0], [1e4, -1e4], [1e4, -1e4]],
            [[0, 0.25], [1, 0], [0, 1]],
            [2 * np.log(2), 0, 2e4],
        ),
    ],
)
def test_losses_by_hand(backend, loss, y, target, want, dtype):
    """A perfect prediction costs nothing at all, a certain and wrong one 100 nats, or its logit."""
    got = total(getattr(backend, f"{loss}_forward"), np.array(y, dtype), np.array(target, dtype))
    assert_close(got, want, 4 * np.finfo(dtype).eps)


@both_dtypes
def test_gradients_by_hand(backend, dtype):
    y, target, dy = np.array([[1, 2, 3]], dtype), np.array([[1, 4, 1]], dtype), blank((1, 3), dtype)
    backend.mse_backward(y, target, dy, 0.5)
    assert dy.tolist() == [[0, -2, 2]]
    backend.mae_backward(y, target, dy, 0.5)
    assert dy.tolist() == [[0, -0.5, 0.5]]
    y, target = np.array([[0, 1, 0.5]], dtype), np.array([[0, 1, 0]], dtype)
    backend.bce_backward(y, target, dy, 0.5)
    assert dy.tolist() == [[0, 0, 1]]
    backend.bce_backward(np.array([[1, 0, 0]], dtype), np.array([[0, 1, 0]], dtype), dy, 1.0)
    assert_close(dy, [[1e12, -1e12, 0]], 1e6)
    backend.bce_logits_backward(np.array([[1e4, -1e4, 0]], dtype), np.array([[0, 1, 0]], dtype), dy, 0.5)
    assert dy.tolist() == [[0.5, -0.5, 0.25]]


@both_dtypes
@pytest.mark.parametrize("loss", ["bce", "bce_logits"])
def test_costs_of_many_elements_are_as_exact_as_float64(backend, loss, dtype):
    """Probabilities near 0, near 1 and between; logits up to where the sigmoid is 0 or 1 to the last digit."""
    rng = np.random.default_rng(3)
    p = np.concatenate([rng.uniform(0, 1, 500), 10.0 ** rng.uniform(-30, 0, 500), 1 - 10.0 ** rng.uniform(-6, -1, 500)])
    y = p.astype(dtype)[None] if loss == "bce" else rng.uniform(-60, 60, (1, 1500)).astype(dtype)
    target = rng.uniform(0, 1, y.shape).astype(dtype)
    v, t = y.astype(np.longdouble), target.astype(np.longdouble)
    if loss == "bce":
        want = -(t * np.log(v) + (1 - t) * np.log1p(-v)).sum()
    else:
        want = (np.maximum(v, 0) - v * t + np.log1p(np.exp(-np.abs(v)))).sum()
    exact = np.float64 if backend.__name__.endswith("cpu") else dtype  # the definition takes logarithms in dtype
    assert_close(total(getattr(backend, f"{loss}_forward"), y, target), [want], 64 * np.finfo(exact).eps * want)


@both_dtypes
@each_loss
def test_a_nan_stays_in_its_image(backend, loss, dtype):
    y, target = np.full((3, 4), 0.5, dtype), np.full((3, 4), 0.5, dtype)
    y[1, 2] = np.nan
    assert np.isnan(total(getattr(backend, f"{loss}_forward"), y, target)).tolist() == [False, True, False]
    dy = np.zeros(y.shape, dtype)
    getattr(backend, f"{loss}_backward")(y, target, dy, 1.0)
    assert np.array_equal(np.isnan(dy), np.isnan(y))


@both_dtypes
@each_loss
def test_an_empty_batch_has_no_losses(backend, loss, dtype):
    assert total(getattr(backend, f"{loss}_forward"), *np.zeros((2, 0, 3), dtype)).shape == (0,)


@both_dtypes
def test_sums_are_float64(backend, dtype):
    """2^24 + 1 is not a float32."""
    y = np.array([[2.0**12] + 100 * [1]], dtype)
    assert total(backend.mse_forward, y, np.zeros_like(y)) == 2**24 + 100
    assert total(backend.l2_forward, y) == 2**24 + 100
    y[0, 0] = 2.0**24
    assert total(backend.mae_forward, y, np.zeros_like(y)) == 2**24 + 100
    assert total(backend.l1_forward, y) == 2**24 + 100


@both_dtypes
def test_samples_have_the_spread_that_was_asked_for(backend, dtype):
    """log_var is the logarithm of a variance: log 4 means a standard deviation of 2."""
    stats = np.zeros((100_000, 2), dtype)
    stats[:, 1] = np.log(4.0)
    noise = np.random.default_rng(1).standard_normal((100_000, 1)).astype(dtype)
    z = blank(noise.shape, dtype)
    backend.gaussian_sample_forward(stats, noise, z)
    assert abs(z.std(dtype=float) - 2.0) < 0.02
    assert abs(z.mean(dtype=float)) < 0.02


@both_dtypes
@pytest.mark.parametrize("N, d", [(1, 1), (5, 3), (64, 16)])
def test_sampling_and_its_gradient(backend, N, d, dtype):
    rng = np.random.default_rng(2)
    stats, noise, dz = cast(dtype, *(rng.standard_normal(shape) for shape in [(N, 2 * d), (N, d), (N, d)]))
    z, dstats = blank((N, d), dtype), blank((N, 2 * d), dtype)
    backend.gaussian_sample_forward(stats, noise, z)
    backend.gaussian_sample_backward(dz, stats, noise, dstats)

    def sample(stats):
        return stats[:, :d] + np.sqrt(np.exp(stats[:, d:])) * noise

    bound = 64 * np.finfo(dtype).eps
    assert_close(z, sample(stats.astype(float)), bound)
    assert_close(dstats, naive.complex_step(lambda s: (dz * sample(s)).sum(), stats.astype(float)), bound * 8)


@both_dtypes
@pytest.mark.parametrize("N, d", [(1, 1), (5, 3), (64, 16)])
def test_gaussian_kl_and_its_gradient(backend, N, d, dtype):
    stats = np.random.default_rng(3).standard_normal((N, 2 * d)).astype(dtype)
    dstats = blank(stats.shape, dtype)
    backend.gaussian_kl_backward(stats, dstats, 0.3)

    def kl(stats):
        mu, log_var = stats[:, :d], stats[:, d:]
        return (mu**2 + np.exp(log_var) - 1 - log_var).sum(axis=1) / 2

    bound = 32 * np.finfo(dtype).eps
    assert_close(total(backend.gaussian_kl_forward, stats), kl(stats.astype(float)), bound * 8 * d)
    assert_close(dstats, 0.3 * naive.complex_step(lambda s: kl(s).sum(), stats.astype(float)), bound * 8)


@both_dtypes
def test_gaussian_kl_by_hand(backend, dtype):
    """Nothing for a standard normal, half a nat for a mean of 1, (3 - log 4) / 2 for a variance of 4."""
    stats = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, np.log(4)], [np.nan, 0, 0, 0]], dtype)
    got = total(backend.gaussian_kl_forward, stats)
    assert got[0] == 0
    assert got[1] == 0.5
    assert_close(got[2], (3 - np.log(4)) / 2, 8 * np.finfo(dtype).eps)
    assert np.isnan(got[3])


@both_dtypes
def test_l1_and_l2_by_hand(backend, dtype):
    z, dz = np.array([[3, -4], [0, 0.25], [-0.25, 1]], dtype), blank((3, 2), dtype)
    assert total(backend.l1_forward, z).tolist() == [7, 0.25, 1.25]
    assert total(backend.l2_forward, z).tolist() == [25, 0.0625, 1.0625]
    backend.l1_backward(z, dz, 0.5)
    assert dz.tolist() == [[0.5, -0.5], [0, 0.5], [-0.5, 0.5]]
    backend.l2_backward(z, dz, 0.5)
    assert dz.tolist() == [[3, -4], [0, 0.25], [-0.25, 1]]
    assert total(backend.l1_forward, z[:0]).shape == total(backend.l2_forward, z[:0]).shape == (0,)
    image = np.ones((2, 3, 4, 5), dtype)
    assert total(backend.l1_forward, image).tolist() == total(backend.l2_forward, image).tolist() == [60, 60]


@both_dtypes
def test_kl_sparsity(backend, dtype):
    rng = np.random.default_rng(4)
    z = rng.uniform(0.05, 0.95, (6, 4)).astype(dtype)
    mean, dz = blank((4,), dtype), blank(z.shape, dtype)
    got = backend.kl_sparsity_forward(z, mean, 0.1)
    backend.kl_sparsity_backward(mean, dz, 0.1, 0.3)

    def kl(z):
        m = z.sum(axis=0) / 6
        return (0.1 * np.log(0.1 / m) + 0.9 * np.log(0.9 / (1 - m))).sum()

    bound = 64 * np.finfo(dtype).eps
    assert_close(mean, z.mean(axis=0, dtype=float), bound)
    assert_close(got, kl(z.astype(float)), bound)
    assert_close(dz, 0.3 * naive.complex_step(kl, z.astype(float)), bound)


@both_dtypes
def test_kl_sparsity_by_hand(backend, dtype):
    mean, dz = blank((2,), dtype), blank((3, 2), dtype)
    assert_close(backend.kl_sparsity_forward(np.full((3, 2), 0.25, dtype), mean, 0.25), 0, 1e-14)
    backend.kl_sparsity_backward(mean, dz, 0.25, 1.0)
    assert_close(dz, np.zeros((3, 2)), 4 * np.finfo(dtype).eps)
    half = backend.kl_sparsity_forward(np.full((3, 2), 0.5, dtype), mean, 0.1)
    assert_close(half, 2 * (0.1 * np.log(0.2) + 0.9 * np.log(1.8)), 1e-14)
    dead_and_saturated = np.array([[0, 1]], dtype)
    assert 14 < backend.kl_sparsity_forward(dead_and_saturated, mean, 0.5) < 15
    assert 0 < mean[0] < 1e-6
    assert 1 - 1e-6 < mean[1] < 1


@both_dtypes
def test_units_whose_mean_was_clipped_are_told_nothing(backend, dtype):
    """Dead and saturated ones, on either side of the limits and at them; the others pull the harder the nearer they are."""
    low, high = dtype(1e-7), dtype(1 - 1e-7)
    means = [low / 2, low, np.nextafter(low, dtype(1)), dtype(0.5), np.nextafter(high, dtype(0)), high]
    dz = blank((4, 6), dtype)
    backend.kl_sparsity_backward(np.array(means, dtype), dz, 0.25, 1.0)
    assert (dz[:, [0, 1, 5]] == 0).all()
    assert (dz[:, 2] < -1e5).all() and (dz[:, 3] == 0.25).all() and (dz[:, 4] > 1e5).all()


@both_dtypes
@pytest.mark.parametrize("activation, slope, bend", [("relu", 0, 0), ("leaky_relu", 0.75, 0), ("elu", 0.75, 1)])
def test_contractive_at_the_kink_is_that_of_the_left(backend, activation, slope, bend, dtype):
    y, w = np.zeros((2, 1), dtype), np.array([[2], [1]], dtype)
    got, dy, dw = blank((2,), np.float64), blank((2, 1), dtype), blank((2, 1), dtype)
    backend.contractive_forward(y, w, got, activation, 0.75)
    backend.contractive_backward(y, w, dy, dw, 0.5, activation, 0.75)
    assert got.tolist() == [5 * slope**2] * 2
    assert dy.ravel().tolist() == [5 * slope * bend] * 2
    assert dw.ravel().tolist() == [4 * slope**2, 2 * slope**2]


@both_dtypes
@pytest.mark.parametrize("activation", naive.ACTIVATIONS)
def test_contractive(backend, activation, dtype):
    """The Jacobian by complex steps; the gradient of its squares by differences, in w and in x."""
    act, rng = naive.ACTIVATIONS[activation], np.random.default_rng(5)
    x, w, b = cast(dtype, *(rng.standard_normal(shape) for shape in [(3, 4), (4, 5), (5,)]))
    y, dpre, dw = act(x @ w + b, 0.5).astype(dtype), blank((3, 5), dtype), blank((4, 5), dtype)
    got = blank((3,), np.float64)
    backend.contractive_forward(y, w, got, activation, 0.5)
    backend.contractive_backward(y, w, dpre, dw, 0.3, activation, 0.5)
    backend.activation_backward(dpre, y, dpre, activation, 0.5)

    def squares(x, w, b):
        columns = [act((x + 1e-30j * e) @ w + b, 0.5).imag / 1e-30 for e in np.eye(4)]
        return (np.array(columns) ** 2).sum(axis=(0, 2))  # (C, N, F) to (N,)

    x, w, b, dpre, dw = cast(np.float64, x, w, b, dpre, dw)
    bound = 1e-7 if dtype == np.float64 else 1e-4
    assert_close(got, squares(x, w, b), bound)
    whole_dw = 0.3 * naive.central_difference(lambda w: squares(x, w, b).sum(), w)
    whole_dx = 0.3 * naive.central_difference(lambda x: squares(x, w, b).sum(), x)
    assert_close(x.T @ dpre + dw, whole_dw, bound)
    assert_close(dpre @ w.T, whole_dx, bound)

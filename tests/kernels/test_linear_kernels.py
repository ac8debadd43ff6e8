"""Dense, convolution, transposed convolution: equal to the definition bit for bit, adjoint, accurate."""

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.kernels import strategies
from tests.kernels.strategies import DTYPES, assert_close, blank, cast, inner, integers

LINEAR = ("linear", 0.0)
exact_activations = st.sampled_from([LINEAR, ("relu", 0.0), ("leaky_relu", 0.25)])


def run(backend, kind, x, w, b, dy, conv, activation=LINEAR):
    """y, dx, dw, db from the three kernels of a kind; db is missing if b is None."""
    y, dx, dw = (blank(like.shape, x.dtype) for like in (dy, x, w))
    db = None if b is None else blank(b.shape, x.dtype)
    getattr(backend, f"{kind}_forward")(x, w, b, y, *conv, *activation)
    getattr(backend, f"{kind}_backward_input")(dy, w, dx, *conv)
    getattr(backend, f"{kind}_backward_weight")(x, dy, dw, db, *conv)
    return (y, dx, dw) if b is None else (y, dx, dw, db)


def bent(y, activation, alpha):
    """The activations that keep whole numbers exact, by definition."""
    slope = {"linear": 1.0, "relu": 0.0, "leaky_relu": alpha}[activation]
    return np.where(y <= 0, slope * y, y)


def assert_exact(backend, kind, x, w, b, dy, conv, activation):
    y = getattr(naive, kind)(x, w, dy.shape, *conv)
    want = bent(y if b is None else y + b, *activation), *getattr(naive, f"{kind}_gradients")(x, w, dy, *conv)
    for dtype in DTYPES:
        arrays = [None if array is None else array.astype(dtype) for array in (x, w, b, dy)]
        got = run(backend, kind, *arrays, conv, activation)
        for name, one, wanted in zip(("y", "dx", "dw", "db"), got, want):
            assert np.array_equal(one, wanted), name


@settings(max_examples=300)
@given(case=strategies.dense(), activation=exact_activations, biased=st.booleans())
def test_dense_is_exact_on_integers(backend, case, activation, biased):
    x, w, b, dy = case
    assert_exact(backend, "dense", x, w, b if biased else None, dy, (), activation)


@settings(max_examples=300)
@given(case=strategies.conv2d(), activation=exact_activations, biased=st.booleans())
def test_conv2d_is_exact_on_integers(backend, case, activation, biased):
    b = case.b if biased else None
    assert_exact(backend, "conv2d", case.x, case.w, b, case.dy, case.settings, activation)


@settings(max_examples=300)
@given(case=strategies.conv2d(), activation=exact_activations, biased=st.booleans())
def test_conv2d_transpose_is_exact_on_integers(backend, case, activation, biased):
    b = case.b_transposed if biased else None
    assert_exact(backend, "conv2d_transpose", case.dy, case.w, b, case.x, case.settings, activation)


# Where blocked algorithms have full and ragged blocks: x, kernel, filters, strides, padding, dilation.
LARGE = [
    ((3, 28, 28, 1), (3, 3), 64, (1, 1), (1, 1, 1, 1), (1, 1)),
    ((5, 14, 14, 64), (3, 3), 33, (1, 1), (1, 1, 1, 1), (1, 1)),
    ((2, 7, 9, 40), (3, 3), 48, (1, 1), (0, 0, 0, 0), (1, 1)),
    ((2, 15, 11, 17), (5, 3), 19, (2, 1), (2, 1, 0, 1), (1, 2)),
    ((4, 13, 13, 37), (1, 1), 70, (1, 1), (0, 0, 0, 0), (1, 1)),
    ((2, 13, 16, 20), (1, 1), 8, (3, 2), (0, 1, 2, 0), (1, 1)),
    ((1, 33, 31, 8), (7, 7), 1, (1, 1), (3, 3, 3, 3), (1, 1)),
    ((3, 28, 27, 3), (5, 3), 20, (2, 1), (2, 1, 0, 1), (1, 2)),
    ((3, 19, 28, 36), (3, 3), 2, (1, 1), (1, 1, 1, 1), (1, 1)),
    ((2, 30, 30, 1), (4, 4), 40, (2, 2), (1, 1, 1, 1), (1, 1)),
]


def large(dtype, x_shape, kernel, F, strides, padding, dilation):
    """x, w, b, dy of whole numbers, and the settings."""
    rng = np.random.default_rng(1)
    N, H, W, C = x_shape
    OH = (H + padding[0] + padding[1] - (kernel[0] - 1) * dilation[0] - 1) // strides[0] + 1
    OW = (W + padding[2] + padding[3] - (kernel[1] - 1) * dilation[1] - 1) // strides[1] + 1
    shapes = x_shape, (*kernel, C, F), (F,), (N, OH, OW, F)
    return *cast(dtype, *(integers(rng, *shape) for shape in shapes)), (strides, padding, dilation)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", LARGE)
def test_large_convolutions_are_adjoint_exactly(backend, sizes, dtype):
    """<A x, g> = <x, A'g>, in x and in w; transposed, x and g change places, and the number stays."""
    x, w, _, g, conv = large(dtype, *sizes)
    y, dx, dw = run(backend, "conv2d", x, w, None, g, conv)
    assert inner(y, g) == inner(x, dx) == inner(w, dw)
    stamped, back, dw = run(backend, "conv2d_transpose", g, w, None, x, conv)
    assert inner(y, g) == inner(stamped, x) == inner(back, g) == inner(w, dw)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", LARGE)
def test_large_convolutions_equal_the_readable_ones_exactly(backend, sizes, dtype):
    reference = importlib.import_module("minicae.kernels.reference")
    x, w, b, dy, conv = large(dtype, *sizes)
    for kind, arrays in ("conv2d", (x, w, b, dy)), ("conv2d_transpose", (dy, w, x[0, 0, 0], x)):
        got, want = (run(module, kind, *arrays, conv, ("relu", 0.0)) for module in (backend, reference))
        for a, b in zip(got, want, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("N, C, F", [(1, 1, 1), (64, 784, 100), (33, 17, 129), (256, 3, 2), (7, 300, 31)])
def test_large_dense_is_exact(backend, N, C, F, dtype):
    rng = np.random.default_rng(2)
    x, w, b, dy = (integers(rng, *shape) for shape in [(N, C), (C, F), (F,), (N, F)])
    y, dx, dw, db = run(backend, "dense", *cast(dtype, x, w, b, dy), ())
    assert inner(y - b, dy) == inner(x, dx) == inner(w, dw)
    assert np.array_equal(y, x @ w + b)  # float64 adds whole numbers exactly, in any order
    assert np.array_equal(db, dy.sum(axis=0))


@settings(max_examples=100)
@given(case=strategies.conv2d(), seed=st.integers(0, 2**32 - 1))
def test_conv2d_rounds_no_more_than_it_must(backend, case, seed):
    """In float32, every entry is off by at most 8 * 2^-24 times the same sum over absolute values."""
    rng = np.random.default_rng(seed)
    single = [rng.standard_normal(a.shape).astype(np.float32) for a in (case.x, case.w, case.b, case.dy)]
    x, w, b, dy = cast(np.float64, *single)
    want = naive.conv2d(x, w, dy.shape, *case.settings) + b, *naive.conv2d_gradients(x, w, dy, *case.settings)
    x, w, b, dy = map(np.abs, (x, w, b, dy))
    size = naive.conv2d(x, w, dy.shape, *case.settings) + b, *naive.conv2d_gradients(x, w, dy, *case.settings)
    for a, b, bound in zip(run(backend, "conv2d", *single, case.settings), want, size, strict=True):
        assert_close(a, b, 8 * 2.0**-24 * bound)


@settings(max_examples=100)
@given(N=st.integers(1, 40), C=st.integers(1, 40), F=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_dense_rounds_no_more_than_it_must(backend, N, C, F, seed):
    rng = np.random.default_rng(seed)
    single = [rng.standard_normal(shape).astype(np.float32) for shape in [(N, C), (C, F), (F,), (N, F)]]

    def exact(x, w, b, dy):
        return x @ w + b, dy @ w.T, x.T @ dy, dy.sum(axis=0)

    double = cast(np.float64, *single)
    want, size = exact(*double), exact(*map(np.abs, double))
    for a, b, bound in zip(run(backend, "dense", *single, ()), want, size, strict=True):
        assert_close(a, b, 8 * 2.0**-24 * bound)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [("elu", 0.7), ("sigmoid", 0.0), ("tanh", 0.0), ("softplus", 0.0)])
def test_an_activation_fused_is_the_activation_afterwards(backend, activation, dtype):
    rng = np.random.default_rng(3)
    conv = (2, 1), (1, 1, 0, 1), (1, 1)
    shapes = {
        "dense": ([(2, 30), (30, 4), (4,), (2, 4)], ()),
        "conv2d": ([(2, 6, 5, 3), (3, 3, 3, 4), (4,), (2, 3, 4, 4)], conv),
        "conv2d_transpose": ([(2, 3, 4, 4), (3, 3, 3, 4), (3,), (2, 6, 5, 3)], conv),
    }
    for kind, (sizes, settings_) in shapes.items():
        arrays = cast(dtype, *(rng.standard_normal(size) for size in sizes))
        fused = run(backend, kind, *arrays, settings_, activation)[0]
        apart = run(backend, kind, *arrays, settings_)[0]
        bound = 8 * np.finfo(dtype).eps * (1 + np.abs(apart))
        backend.activation_forward(apart, apart, *activation)
        assert_close(fused, apart, bound)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_empty_batch_goes_forward(backend, dtype):
    conv = (1, 1), (1, 1, 1, 1), (1, 1)
    x, b, y = np.zeros((0, 5, 5, 2), dtype), np.ones(3, dtype), np.zeros((0, 5, 5, 3), dtype)
    backend.conv2d_forward(x, np.ones((3, 3, 2, 3), dtype), b, y, *conv, "relu", 0.0)
    backend.conv2d_transpose_forward(x, np.ones((3, 3, 3, 2), dtype), b, y, *conv, "relu", 0.0)
    backend.dense_forward(x.reshape(0, 50), np.ones((50, 3), dtype), b, np.zeros((0, 3), dtype), "relu", 0.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", naive.ACTIVATIONS)
def test_a_nan_stays_visible(backend, activation, dtype):
    """Also behind ReLU, where a careless comparison turns it into 0."""
    x, w = np.zeros((1, 5, 5, 1), dtype), np.ones((3, 3, 1, 1), dtype)
    x[0, 2, 2, 0] = np.nan
    y = np.zeros((1, 3, 3, 1), dtype)
    backend.conv2d_forward(x, w, None, y, (1, 1), (0, 0, 0, 0), (1, 1), activation, 0.1)
    assert np.isnan(y).all()
    y = np.zeros((1, 2), dtype)
    backend.dense_forward(x.reshape(1, 25), np.ones((25, 2), dtype), None, y, activation, 0.1)
    assert np.isnan(y).all()


def test_the_algorithm_has_a_name(backend):
    sizes = (8, 8, 2), (3, 3, 2, 4), (1, 1), (1, 1, 1, 1), (1, 1)
    for wanted, name in ("auto", "im2col"), ("im2col", "im2col"), ("winograd", "winograd(4x4)"):
        assert backend.conv2d_algorithm(*sizes, np.dtype("f4"), wanted) == name
        assert backend.conv2d_algorithm(*sizes, np.dtype("f8"), wanted) == "im2col"

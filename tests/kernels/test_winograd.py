"""Winograd's convolution: what it computes, how far off it may be, and when it is chosen."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minicae as mc
from minicae import layers as L
from minicae import ops
from minicae.errors import SettingError
from minicae.kernels import backend as get_backend
from minicae.kernels.cpu import _transforms, _winograd
from minicae.kernels.reference import _winograd as readable
from tests import naive
from tests.kernels.strategies import assert_close, blank

UNIT = 2.0**-24
NAMES = {2: "winograd(2x2)", 4: "winograd(4x4)"}
PLAIN = (1, 1), (1, 1)  # strides and dilation, between which the padding stands


@pytest.mark.parametrize("tile", [2, 4])
def test_transforms_are_the_published_matrices(tile):
    B, G, A = readable.B[tile], readable.G[tile], readable.A[tile]
    wanted = {
        _transforms.INPUT: B.T,
        _transforms.FILTER: G,
        _transforms.OUTPUT: A.T,
        _transforms.OUTPUT_ADJOINT: A,
        _transforms.FILTER_ADJOINT: G.T,
    }
    for kind, matrix in wanted.items():
        arithmetic, ins = _transforms.TRANSFORMS[kind, tile]
        got = np.array(arithmetic(list(np.eye(ins))))
        np.testing.assert_allclose(got, matrix, rtol=0, atol=1e-15)


def direct(x, w, padding):
    """The convolution in float64, and the same of the absolute values, by shifted products."""
    wide = np.pad(x.astype(np.float64), ((0, 0), padding[:2], padding[2:], (0, 0)))
    OH, OW = wide.shape[1] - 2, wide.shape[2] - 2
    w = w.astype(np.float64)
    patches = [(wide[:, p : p + OH, q : q + OW], w[p, q]) for p in range(3) for q in range(3)]
    return sum(a @ b for a, b in patches), sum(abs(a) @ abs(b) for a, b in patches)


def gradients(x, w, dy, padding):
    """(dx, its scale), (dw, its scale) in float64, as the adjoints of `direct`."""
    back = tuple(2 - pixels for pixels in padding)
    dx = direct(dy, np.ascontiguousarray(w[::-1, ::-1].transpose(0, 1, 3, 2)), back)
    wide = np.pad(x.astype(np.float64), ((0, 0), padding[:2], padding[2:], (0, 0)))
    OH, OW = dy.shape[1:3]
    dw = np.empty((2, *w.shape))
    for p in range(3):
        for q in range(3):
            patch = wide[:, p : p + OH, q : q + OW].reshape(-1, x.shape[3])
            flat = dy.reshape(-1, dy.shape[3]).astype(np.float64)
            dw[:, p, q] = patch.T @ flat, abs(patch).T @ abs(flat)
    return dx, tuple(dw)


def test_the_oracle_of_this_file_is_the_definition():
    rng = np.random.default_rng(0)
    x, w, dy = rng.standard_normal((2, 5, 4, 3)), rng.standard_normal((3, 3, 3, 2)), rng.standard_normal((2, 6, 3, 2))
    padding = (2, 1, 1, 0)
    want = naive.conv2d(x, w, dy.shape, (1, 1), padding, (1, 1))
    np.testing.assert_allclose(direct(x, w, padding)[0], want, atol=1e-12)
    (dx, _), (dw, _) = gradients(x, w, dy, padding)
    for got, wanted in zip((dx, dw), naive.conv2d_gradients(x, w, dy, (1, 1), padding, (1, 1))):
        np.testing.assert_allclose(got, wanted, atol=1e-12)


sizes = st.tuples(
    st.integers(1, 5), st.integers(1, 15), st.integers(1, 15), st.sampled_from([1, 3, 8, 16, 17, 40]),
    st.sampled_from([1, 5, 16, 31, 48]),
)  # fmt: skip


@settings(max_examples=120)
@given(sizes, st.tuples(*[st.integers(0, 2)] * 4), st.sampled_from([2, 4]), st.integers(0, 99))
def test_all_three_kernels_stay_within_the_stated_error(backend, shape, padding, tile, seed):
    N, H, W, C, F = shape
    OH, OW = H + sum(padding[:2]) - 2, W + sum(padding[2:]) - 2
    if min(OH, OW) < 1:
        padding, OH, OW = (1, 1, 1, 1), H, W
    rng = np.random.default_rng(seed)
    x, w, dy = (rng.standard_normal(s, np.float32) for s in [(N, H, W, C), (3, 3, C, F), (N, OH, OW, F)])
    b = rng.standard_normal(F, np.float32)
    y, dx, dw, db = (blank(a.shape, np.float32) for a in (dy, x, w, b))
    conv = PLAIN[0], padding, PLAIN[1]
    backend.conv2d_forward(x, w, b, y, *conv, "linear", 0.0, NAMES[tile])
    backend.conv2d_backward_input(dy, w, dx, *conv, NAMES[tile])
    backend.conv2d_backward_weight(x, dy, dw, db, *conv, NAMES[tile])
    bound = _winograd.ERROR[tile] * UNIT
    want, _ = direct(x, w, padding)
    # The numbers of a tile are mixed, those beyond the window of a pixel too: so the largest of them counts.
    taps = abs(w).sum((0, 1))
    assert_close(y, want + b, bound * (abs(x).max((1, 2), keepdims=True) @ taps) + 8 * UNIT * abs(b))
    (want_dx, _), (want_dw, _) = gradients(x, w, dy, padding)
    assert_close(dx, want_dx, bound * (abs(dy).max((1, 2), keepdims=True) @ taps.T))
    assert_close(dw, want_dw, bound * np.outer(abs(x).max((0, 1, 2)), abs(dy).sum((0, 1, 2))))
    assert_close(db, dy.sum((0, 1, 2), dtype=np.float64), 64 * UNIT * abs(dy).sum((0, 1, 2)))


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize("padding", [(2, 1, 0, 1), (0, 1, 2, 1), (1, 0, 1, 2)])
def test_small_and_lopsided(backend, padding, tile):
    """Padding that differs on all sides, and fewer pixels than a tile has, in both directions of the kernel."""
    rng = np.random.default_rng(0)
    OH, OW = 4 + sum(padding[:2]) - 2, 5 + sum(padding[2:]) - 2
    x, w, dy = (rng.standard_normal(s, np.float32) for s in [(1, 4, 5, 2), (3, 3, 2, 3), (1, OH, OW, 3)])
    y, dx, dw, db = (blank(s, np.float32) for s in (dy.shape, x.shape, w.shape, (3,)))
    conv = PLAIN[0], padding, PLAIN[1]
    backend.conv2d_forward(x, w, None, y, *conv, "linear", 0.0, NAMES[tile])
    backend.conv2d_backward_input(dy, w, dx, *conv, NAMES[tile])
    backend.conv2d_backward_weight(x, dy, dw, db, *conv, NAMES[tile])
    (want_dx, _), (want_dw, _) = gradients(x, w, dy, padding)
    for got, want in ((y, direct(x, w, padding)[0]), (dx, want_dx), (dw, want_dw), (db, dy.sum((0, 1, 2)))):
        assert_close(got, want, 1e-4)


@pytest.mark.parametrize("tile", [2, 4])
def test_the_stated_error_is_not_far_from_what_happens(tile):
    """A constant that nothing comes near would say nothing."""
    rng = np.random.default_rng(3)
    worst = 0.0
    for C in (16, 64, 128):
        x, w = rng.standard_normal((8, 16, 16, C), np.float32), rng.standard_normal((3, 3, C, 32), np.float32)
        y = blank((8, 16, 16, 32), np.float32)
        get_backend("cpu").conv2d_forward(x, w, None, y, (1, 1), (1, 1, 1, 1), (1, 1), "linear", 0.0, NAMES[tile])
        want, scale = direct(x, w, (1, 1, 1, 1))
        worst = max(worst, float((abs(y - want) / (scale * UNIT)).max()))
    assert _winograd.ERROR[tile] / 10 < worst <= _winograd.ERROR[tile]


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize(
    "activation", [("relu", 0.0), ("leaky_relu", 0.25), ("elu", 1.0), ("tanh", 0.0), ("sigmoid", 0.0)]
)
def test_activations_and_slopes_follow_the_product(backend, tile, activation):
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((2, 7, 6, 17), np.float32), rng.standard_normal((3, 3, 17, 19), np.float32)
    b, dy = rng.standard_normal(19, np.float32), rng.standard_normal((2, 7, 6, 19), np.float32)
    conv = (1, 1), (1, 1, 1, 1), (1, 1)
    plain, y, dx, bent, slope = (blank(a.shape, np.float32) for a in (dy, dy, x, x, x))
    backend.conv2d_forward(x, w, b, plain, *conv, "linear", 0.0, NAMES[tile])
    backend.conv2d_forward(x, w, b, y, *conv, *activation, NAMES[tile])
    get_backend("reference").activation_forward(plain, plain, *activation)
    assert_close(y, plain, 8 * UNIT * (1 + abs(plain)))
    backend.conv2d_backward_input(dy, w, dx, *conv, NAMES[tile])
    gate = blank(x.shape, np.float32)  # x as it would be behind such an activation
    get_backend("reference").activation_forward(x, gate, *activation)
    backend.conv2d_backward_input(dy, w, bent, *conv, NAMES[tile], (gate, *activation))
    get_backend("reference").activation_backward(np.ones_like(x), gate, slope, *activation)
    assert_close(bent, dx * slope, 8 * UNIT * abs(dx))


@pytest.mark.parametrize("tile", [2, 4])
def test_a_nan_stays_visible(backend, tile):
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((1, 9, 9, 16), np.float32), rng.standard_normal((3, 3, 16, 16), np.float32)
    x[0, 4, 4, 3] = np.nan
    y = np.zeros((1, 9, 9, 16), np.float32)
    backend.conv2d_forward(x, w, None, y, (1, 1), (1, 1, 1, 1), (1, 1), "relu", 0.0, NAMES[tile])
    assert np.isnan(y[0, 3:6, 3:6]).all()


@pytest.mark.parametrize("C, F", [(16, 48), (33, 16), (128, 64)])
def test_bits_do_not_depend_on_threads_nor_on_the_batch(C, F):
    rng = np.random.default_rng(1)
    x, w, dy = (rng.standard_normal(s, np.float32) for s in [(11, 14, 14, C), (3, 3, C, F), (11, 14, 14, F)])

    def compute(images):
        y = ops.conv2d_forward(x[images], w, algorithm="winograd")
        dx = ops.conv2d_backward_input(dy[images], w, (14, 14), algorithm="winograd")
        return y, dx

    runs, before = [], numba.get_num_threads()
    try:
        for threads in sorted({1, before}):
            numba.set_num_threads(threads)
            runs.append((*compute(slice(None)), *ops.conv2d_backward_weight(x, dy, 3, algorithm="winograd")))
    finally:
        numba.set_num_threads(before)
    for run in runs:
        assert all(np.array_equal(a, b) for a, b in zip(run, runs[0]))
    for images in (slice(0, 1), slice(3, 8), slice(10, 11)):
        for part, whole in zip(compute(images), runs[0]):
            assert np.array_equal(part, whole[images])


@pytest.mark.parametrize(
    "size, channels, wanted",
    [
        ((14, 14), (64, 128), NAMES[4]),
        ((7, 7), (128, 256), NAMES[4]),
        ((2, 2), (64, 64), NAMES[2]),
        ((6, 6), (64, 64), NAMES[2]),  # equal counts: the smaller error
        ((28, 28), (1, 64), "im2col"),
        ((28, 28), (64, 1), "im2col"),
    ],
)
def test_auto_counts_multiplications(size, channels, wanted):
    C, F = channels
    model = mc.Sequential([L.Conv2D(F, 3)], (*size, C))
    assert model.layers[0].chosen == wanted and wanted in model.summary(print_fn=None)
    assert mc.Sequential([L.Conv2D(F, 3, algorithm="im2col")], (*size, C)).layers[0].chosen == "im2col"
    assert mc.Sequential([L.Conv2D(F, 3)], (*size, C), dtype="float64").layers[0].chosen == "im2col"
    assert mc.Sequential([L.Conv2D(F, 3)], (*size, C), backend="reference").layers[0].chosen == "im2col"


@pytest.mark.parametrize(
    "changed, chosen",
    [
        ({}, NAMES[4]),
        ({"padding": (2, 0, 0, 2)}, NAMES[4]),
        ({"padding": (3, 0, 0, 0)}, "im2col"),
        ({"padding": (0, 0, 0, 3)}, "im2col"),
        ({"x": (8, 4, 5), "padding": (0, 0, 2, 2)}, NAMES[2]),  # 6 x 6 pixels: as many multiplications as by fours
        ({"w": (3, 2, 5, 6)}, "im2col"),
        ({"w": (1, 3, 5, 6)}, "im2col"),
        ({"strides": (2, 1)}, "im2col"),
        ({"strides": (2, 2)}, "im2col"),
        ({"dilation": (1, 2)}, "im2col"),
        ({"strides": (2, 2), "dilation": (2, 2)}, "im2col"),
        ({"dtype": np.dtype("float64")}, "im2col"),
        ({"wanted": "im2col"}, "im2col"),
    ],
)
def test_the_algorithm_that_was_asked_for_where_it_fits(backend, changed, chosen):
    usual = {"x": (20, 21, 5), "w": (3, 3, 5, 6), "strides": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1)}
    usual |= {"dtype": np.dtype("float32"), "wanted": "winograd"}
    assert backend.conv2d_algorithm(*(usual | changed).values()) == chosen


@pytest.mark.parametrize("layer", [L.Conv2D, L.Conv2DTranspose])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_winograd_is_done_where_it_is_wanted(layer, backend):
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((3, 9, 8, 4), np.float32), rng.standard_normal((3, 9, 8, 5), np.float32)
    models = [
        mc.Sequential([layer(5, 3, algorithm=name, activation="relu")], (9, 8, 4), backend=backend)
        for name in ("winograd", "im2col")
    ]
    assert [model.layers[0].chosen for model in models] == [NAMES[4], "im2col"]
    ys = [model.forward(x) for model in models]
    dxs = [model.backward(dy) for model in models]
    for a, b in zip([ys[0], dxs[0], *models[0].get_gradients()], [ys[1], dxs[1], *models[1].get_gradients()]):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-3)
        assert not np.array_equal(a, b) or a.ndim == 1  # another way of adding, which db does not see


def test_what_it_is_not_for_is_refused():
    for arguments in ({"kernel_size": 5}, {"kernel_size": 3, "strides": 2}, {"kernel_size": 3, "dilation": 2}):
        with pytest.raises(SettingError, match="3x3 kernels at stride 1"):
            L.Conv2D(4, algorithm="winograd", **arguments)
    with pytest.raises(SettingError, match="'auto', 'im2col' or 'winograd'"):
        L.Conv2D(4, 3, algorithm="fft")
    with pytest.raises(SettingError, match="3x3"):
        ops.conv2d_forward(np.ones((1, 5, 5, 1)), np.ones((1, 1, 1, 1)), algorithm="winograd")

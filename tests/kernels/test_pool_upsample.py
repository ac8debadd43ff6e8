"""Pooling and upsampling: equal to the definition bit for bit, adjoint, and right in the corners."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.kernels import strategies
from tests.kernels.strategies import DTYPES, assert_close, blank, cast, inner, integers

both_dtypes = pytest.mark.parametrize("dtype", DTYPES)
NO_PADDING = (0, 0, 0, 0)


def maxpool2d(backend, x, dy, *pool, places=np.uint8):
    """y, argmax, dx."""
    y, argmax, dx = blank(dy.shape, x.dtype), np.full(dy.shape, 77, places), blank(x.shape, x.dtype)
    backend.maxpool2d_forward(x, y, argmax, *pool)
    backend.maxpool2d_backward(dy, argmax, dx, *pool)
    return y, argmax, dx


def avgpool2d(backend, x, dy, *pool):
    """y, dx."""
    y, dx = blank(dy.shape, x.dtype), blank(x.shape, x.dtype)
    backend.avgpool2d_forward(x, y, *pool)
    backend.avgpool2d_backward(dy, dx, *pool)
    return y, dx


def upsample(backend, kind, x, dy, setting):
    """y, dx."""
    y, dx = blank(dy.shape, x.dtype), blank(x.shape, x.dtype)
    getattr(backend, f"upsample_{kind}_forward")(x, y, setting)
    getattr(backend, f"upsample_{kind}_backward")(dy, dx, setting)
    return y, dx


@settings(max_examples=300)
@given(case=strategies.pool2d())
def test_maxpool2d_is_exact(backend, case):
    """With few different values there are many ties: argmax has to be the first in every one."""
    want_y, want_argmax = naive.maxpool2d(case.x, case.dy.shape, *case.settings)
    want_dx = naive.maxpool2d_gradient(case.x, case.dy, *case.settings)
    for dtype, places in itertools.product(DTYPES, (np.uint8, np.int32)):
        y, argmax, dx = maxpool2d(backend, *cast(dtype, case.x, case.dy), *case.settings, places=places)
        assert np.array_equal(y, want_y)
        assert np.array_equal(argmax, want_argmax)
        assert np.array_equal(dx, want_dx)


@settings(max_examples=300)
@given(case=strategies.pool2d(multiple=36), count_padding=st.booleans())
def test_avgpool2d_is_exact(backend, case, count_padding):
    """36 divides by every possible number of pixels: 1, 2, 3, 4, 6, 9."""
    want_y = naive.avgpool2d(case.x, case.dy.shape, *case.settings, count_padding)
    want_dx = naive.avgpool2d_gradient(case.x.shape, case.dy, *case.settings, count_padding)
    for dtype in DTYPES:
        x, dy = cast(dtype, case.x, case.dy)
        y, dx = avgpool2d(backend, x, dy, *case.settings, count_padding)
        assert np.array_equal(y, want_y)
        assert np.array_equal(dx, want_dx)
        assert inner(y, dy) == inner(x, dx)


@pytest.mark.parametrize("window", [(2, 2), (3, 2), (1, 3)])
@pytest.mark.parametrize("padding", list(itertools.product((0, 1), repeat=4)), ids=str)
def test_windows_side_by_side(backend, window, padding):
    """As far apart as they are wide: edges that no window reaches, and windows that hang over, on each of the four sides."""
    padding = tuple(min(pixels, size - 1) for pixels, size in zip(padding, np.repeat(window, 2)))
    for H, W in ((3, 5), (4, 3), (5, 4), (6, 6)):
        out = (H + sum(padding[:2]) - window[0]) // window[0] + 1, (W + sum(padding[2:]) - window[1]) // window[1] + 1
        rng = np.random.default_rng(H)
        x, dy = 36 * integers(rng, 2, H, W, 2), 36 * integers(rng, 2, *out, 2)
        pool = window, window, padding
        got = maxpool2d(backend, *cast(np.float32, x, dy), *pool)
        want = *naive.maxpool2d(x, dy.shape, *pool), naive.maxpool2d_gradient(x, dy, *pool)
        assert all(map(np.array_equal, got, want))
        for count_padding in (False, True):
            got = avgpool2d(backend, *cast(np.float32, x, dy), *pool, count_padding)
            chosen = *pool, count_padding
            want = naive.avgpool2d(x, dy.shape, *chosen), naive.avgpool2d_gradient(x.shape, dy, *chosen)
            assert all(map(np.array_equal, got, want))


@settings(max_examples=300)
@given(case=strategies.blocks())
def test_upsample_nearest_is_exact(backend, case):
    want_y = naive.upsample_nearest(case.x, case.settings)
    want_dx = naive.upsample_nearest_gradient(case.x.shape, case.dy, case.settings)
    for dtype in DTYPES:
        x, dy = cast(dtype, case.x, case.dy)
        y, dx = upsample(backend, "nearest", x, dy, case.settings)
        assert np.array_equal(y, want_y)
        assert np.array_equal(dx, want_dx)
        assert inner(y, dy) == inner(x, dx)


@settings(max_examples=300)
@given(case=strategies.resize(exact=True))
def test_upsample_bilinear_by_powers_of_two_is_exact(backend, case):
    want_y = naive.upsample_bilinear(case.x, case.dy.shape, case.settings)
    want_dx = naive.upsample_bilinear_gradient(case.x.shape, case.dy, case.settings)
    for dtype in DTYPES:
        x, dy = cast(dtype, case.x, case.dy)
        y, dx = upsample(backend, "bilinear", x, dy, case.settings)
        assert np.array_equal(y, want_y)
        assert np.array_equal(dx, want_dx)
        assert inner(y, dy) == inner(x, dx)


@settings(max_examples=300)
@given(case=strategies.resize(exact=False))
def test_upsample_bilinear_to_any_size(backend, case):
    """Weights are rounded here: to eps times the size of the image, being differences of places in it."""
    want_y = naive.upsample_bilinear(case.x, case.dy.shape, case.settings)
    want_dx = naive.upsample_bilinear_gradient(case.x.shape, case.dy, case.settings)
    for dtype in DTYPES:
        y, dx = upsample(backend, "bilinear", *cast(dtype, case.x, case.dy), case.settings)
        bound = 8 * np.finfo(dtype).eps * sum(case.x.shape[1:3])
        assert_close(y, want_y, bound * 8)
        assert_close(dx, want_dx, bound * np.abs(case.dy).sum(axis=(1, 2), keepdims=True))


@both_dtypes
@pytest.mark.parametrize("C", [1, 5, 16, 33])
def test_large_maps_are_adjoint_exactly(backend, C, dtype):
    """Max pooling too, with its winners fixed."""
    rng = np.random.default_rng(0)
    shapes = (3, 28, 30, C), (3, 14, 15, C), (3, 56, 60, C)
    x, small, wide = cast(dtype, *(integers(rng, *shape) for shape in shapes))
    y, _, dx = maxpool2d(backend, x, small, (2, 2), (2, 2), NO_PADDING)
    assert inner(y, small) == inner(x, dx)
    y, dx = avgpool2d(backend, x, small, (2, 2), (2, 2), NO_PADDING, False)
    assert inner(y, small) == inner(x, dx)
    y, dx = upsample(backend, "nearest", x, wide, (2, 2))
    assert inner(y, wide) == inner(x, dx)
    y, dx = upsample(backend, "bilinear", x, wide, False)
    assert inner(y, wide) == inner(x, dx)


@both_dtypes
def test_of_equal_pixels_the_first_takes_the_gradient(backend, dtype):
    x, dy = np.full((2, 4, 6, 3), 0.5, dtype), np.ones((2, 2, 2, 3), dtype)
    y, argmax, dx = maxpool2d(backend, x, dy, (2, 3), (2, 3), NO_PADDING)
    assert np.all(y == 0.5)
    assert np.all(argmax == 0)
    want = np.zeros(x.shape)
    want[:, ::2, ::3] = 1
    assert np.array_equal(dx, want)


@both_dtypes
def test_padding_never_wins(backend, dtype):
    """An image of -1 pools to -1 up to its edges: the padding is minus infinity, not 0."""
    x, dy = np.full((1, 4, 4, 1), -1, dtype), np.ones((1, 3, 3, 1), dtype)
    y, argmax, dx = maxpool2d(backend, x, dy, (2, 2), (2, 2), (1, 1, 1, 1))
    assert np.all(y == -1)
    assert argmax[0, :, :, 0].tolist() == [[3, 2, 2], [1, 0, 0], [1, 0, 0]]
    assert dx.sum() == 9


@both_dtypes
def test_one_channel_and_several_images(backend, dtype):
    x = np.arange(2 * 4 * 4, dtype=dtype).reshape(2, 4, 4, 1)
    y, _, dx = maxpool2d(backend, x, np.ones((2, 2, 2, 1), dtype), (2, 2), (2, 2), NO_PADDING)
    assert y.ravel().tolist() == [5, 7, 13, 15, 21, 23, 29, 31]
    assert np.flatnonzero(dx).tolist() == [5, 7, 13, 15, 21, 23, 29, 31]


@both_dtypes
def test_window_and_strides_have_a_height_and_a_width(backend, dtype):
    x = np.arange(4 * 5, dtype=dtype).reshape(1, 4, 5, 1)
    y, argmax, dx = maxpool2d(backend, x, np.ones((1, 3, 2, 1), dtype), (2, 3), (1, 2), NO_PADDING)
    assert y[0, :, :, 0].tolist() == [[7, 9], [12, 14], [17, 19]]
    assert np.all(argmax == 5)
    y, dx = avgpool2d(backend, x, np.full((1, 3, 2, 1), 6, dtype), (2, 3), (1, 2), NO_PADDING, False)
    assert y[0, :, :, 0].tolist() == [[3.5, 5.5], [8.5, 10.5], [13.5, 15.5]]
    rows = [1, 1, 2, 1, 1]
    assert dx[0, :, :, 0].tolist() == [rows, [2 * n for n in rows], [2 * n for n in rows], rows]


@both_dtypes
def test_average_says_whether_it_counts_the_padding(backend, dtype):
    x, dy = np.full((1, 2, 2, 1), 8, dtype), np.full((1, 2, 2, 1), 8, dtype)
    pool = (2, 2), (2, 2), (1, 1, 1, 1)
    y, dx = avgpool2d(backend, x, dy, *pool, True)
    assert np.all(y == 2)
    assert np.all(dx == 2)
    y, dx = avgpool2d(backend, x, dy, *pool, False)
    assert np.all(y == 8)
    assert np.all(dx == 8)


@both_dtypes
def test_a_nan_wins_its_windows_and_no_others(backend, dtype):
    x = np.zeros((1, 4, 4, 2), dtype)
    x[0, 1, 0, 0] = x[0, 1, 1, 0] = np.nan
    x[0, 0, 0, 0] = np.inf
    y, argmax, _ = maxpool2d(backend, x, np.ones((1, 2, 2, 2), dtype), (2, 2), (2, 2), NO_PADDING)
    assert np.isnan(y).sum() == 1
    assert np.isnan(y[0, 0, 0, 0])
    assert argmax[0, 0, 0, 0] == 2  # the first of the two
    y, _ = avgpool2d(backend, x, np.ones((1, 2, 2, 2), dtype), (2, 2), (2, 2), NO_PADDING, True)
    assert np.isnan(y).sum() == 1
    for kind, setting in ("nearest", (2, 2)), ("bilinear", False):
        y, _ = upsample(backend, kind, x, np.ones((1, 8, 8, 2), dtype), setting)
        assert np.isnan(y[0, 2:4, 0:4, 0]).all()
        assert not np.isnan(y[0, 5:, 5:]).any()
        assert not np.isnan(y[..., 1]).any()


@both_dtypes
def test_an_image_of_minus_infinities_stays_inside_its_arrays(backend, dtype):
    """No pixel is larger than the padding, yet backward must write to the image only."""
    x, dy = np.full((1, 3, 3, 1), -np.inf, dtype), np.ones((1, 2, 2, 1), dtype)
    y, argmax = blank(dy.shape, dtype), np.zeros(dy.shape, np.uint8)
    backend.maxpool2d_forward(x, y, argmax, (3, 3), (2, 2), (1, 1, 1, 1))
    assert np.all(y == -np.inf)
    guarded = np.full(9 + 200, 5, dtype)
    backend.maxpool2d_backward(dy, argmax, guarded[100:109].reshape(x.shape), (3, 3), (2, 2), (1, 1, 1, 1))
    assert np.all(guarded[:100] == 5)
    assert np.all(guarded[109:] == 5)


@both_dtypes
def test_nearest_backward_adds_up_the_block(backend, dtype):
    dy = np.arange(12, dtype=dtype).reshape(1, 2, 6, 1)
    y, dx = upsample(backend, "nearest", np.ones((1, 1, 2, 1), dtype), dy, (2, 3))
    assert np.all(y == 1)
    assert dx.ravel().tolist() == [0 + 1 + 2 + 6 + 7 + 8, 3 + 4 + 5 + 9 + 10 + 11]


@both_dtypes
def test_bilinear_by_hand(backend, dtype):
    x = np.array([4, 8], dtype).reshape(1, 1, 2, 1)
    y, dx = upsample(backend, "bilinear", x, np.ones((1, 1, 4, 1), dtype), False)
    assert y.ravel().tolist() == [4, 5, 7, 8]
    assert dx.ravel().tolist() == [2, 2]
    y, dx = upsample(backend, "bilinear", x, np.ones((1, 1, 5, 1), dtype), True)
    assert y.ravel().tolist() == [4, 5, 6, 7, 8]
    assert dx.ravel().tolist() == [2.5, 2.5]
    y, dx = upsample(backend, "bilinear", x, np.ones((1, 3, 1, 1), dtype), True)
    assert y.ravel().tolist() == [4, 4, 4]
    assert dx.ravel().tolist() == [3, 0]
    line = np.array([1, 2, 7], dtype).reshape(1, 3, 1, 1)
    y, dx = upsample(backend, "bilinear", line, np.array([3, 5], dtype).reshape(1, 2, 1, 1), True)
    assert y.ravel().tolist() == [1, 7]
    assert dx.ravel().tolist() == [3, 0, 5]


@both_dtypes
def test_a_window_of_more_than_256_places(backend, dtype):
    x = np.zeros((1, 17, 17, 2), dtype)
    x[0, 16, 15, 0] = x[0, 16, 16, 1] = 1
    dy = np.array([2, 3], dtype).reshape(1, 1, 1, 2)
    _, argmax, dx = maxpool2d(backend, x, dy, (17, 17), (17, 17), NO_PADDING, places=np.int32)
    assert argmax.ravel().tolist() == [287, 288]
    assert np.array_equal(dx, x * dy)


@both_dtypes
@pytest.mark.parametrize("C", [1, 17, 64, 75])
@pytest.mark.parametrize("pool", [((2, 2), (2, 2), NO_PADDING), ((3, 2), (2, 1), (1, 0, 0, 1))])
def test_max_pooling_of_many_channels_and_nans(backend, pool, C, dtype):
    """Whatever the length of a run of channels: whole vectors, and what is left over."""
    rng = np.random.default_rng(C)
    x = integers(rng, 2, 7, 9, C).astype(dtype)
    x[rng.random(x.shape) < 0.1] = np.nan
    (window, (down, across), (top, bottom, left, right)) = pool
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=-np.inf)
    seen = np.lib.stride_tricks.sliding_window_view(padded, window, (1, 2))[:, ::down, ::across]
    places = seen.reshape(*seen.shape[:4], -1)  # (N, OH, OW, C, PH * PW)
    y, argmax, _ = maxpool2d(backend, x, np.ones(seen.shape[:4], dtype), *pool)
    assert np.array_equal(y, places.max(axis=-1), equal_nan=True)
    assert np.array_equal(argmax, places.argmax(axis=-1))


@both_dtypes
def test_an_empty_batch_goes_forward(backend, dtype):
    x, y = np.zeros((0, 4, 4, 2), dtype), np.zeros((0, 2, 2, 2), dtype)
    backend.maxpool2d_forward(x, y, np.zeros(y.shape, np.uint8), (2, 2), (2, 2), NO_PADDING)
    backend.avgpool2d_forward(x, y, (2, 2), (2, 2), NO_PADDING, True)
    backend.upsample_nearest_forward(y, x, (2, 2))
    backend.upsample_bilinear_forward(y, x, False)

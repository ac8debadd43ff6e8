"""The arithmetic of shapes against brute force: counting the places where a window fits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicae import shapes
from minicae.errors import SettingError, ShapeError

small = st.integers(1, 5)
sizes, pads = st.integers(1, 12), st.tuples(*[st.integers(0, 4)] * 4)


def places(size, extent, stride, before, after):
    """Where a window may start, in pixels of the image, counted one by one."""
    return [start for start in range(-before, size + after - extent + 1) if (start + before) % stride == 0]


@given(sizes, sizes, st.tuples(small, small), st.tuples(small, small), st.tuples(small, small), pads)
def test_outputs_are_counted_places(H, W, kernel, strides, dilation, padding):
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    counted = tuple(
        len(places(size, extent, stride, before, after))
        for size, extent, stride, before, after in zip((H, W), extents, strides, padding[::2], padding[1::2])
    )
    if min(counted) < 1:
        with pytest.raises(ShapeError, match=r"the kernel covers \d+ pixels and the padded input has only"):
            shapes.window_output(H, W, kernel, strides, padding, dilation)
    else:
        assert shapes.window_output(H, W, kernel, strides, padding, dilation) == counted


@given(sizes, sizes, st.tuples(small, small), st.tuples(small, small), st.tuples(small, small))
def test_same_is_the_least_padding_for_one_output_per_stride(H, W, kernel, strides, dilation):
    got = shapes.resolve_padding("same", H, W, kernel, strides, dilation)
    for size, k, stride, d, before, after in zip((H, W), kernel, strides, dilation, got[::2], got[1::2], strict=True):
        extent, wanted = (k - 1) * d + 1, math.ceil(size / stride)
        least = next(pad for pad in range(200) if len(places(size, extent, stride, pad, 0)) >= wanted)
        assert (before + after, before) == (least, least // 2)
    if min(H, W) >= max(strides):  # with fewer pixels than the stride, a window of one can be alone
        assert shapes.window_output(H, W, kernel, strides, got, dilation) == (
            math.ceil(H / strides[0]),
            math.ceil(W / strides[1]),
        )


@given(sizes, sizes, st.tuples(small, small), st.tuples(small, small), st.tuples(small, small), st.data())
def test_a_transposed_convolution_undoes_the_size_of_its_convolution(H, W, kernel, strides, dilation, data):
    padding = data.draw(st.one_of(st.sampled_from(["same", "valid"]), pads))
    try:
        out, sides = shapes.transposed_output(H, W, kernel, strides, padding, dilation)
    except ShapeError as error:
        assert "removes the whole output" in str(error) and padding not in ("same", "valid")
        return
    assert shapes.window_output(*out, kernel, strides, sides, dilation) == (H, W)
    if padding == "same":
        assert out == (H * strides[0], W * strides[1])
    if padding == "valid":
        assert out == tuple((n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip((H, W), strides, kernel, dilation))


@given(sizes, st.integers(1, 4), st.integers(1, 4), st.integers(0, 4), st.integers(0, 4))
def test_a_pooling_window_always_reaches_the_image(size, window, stride, before, after):
    try:
        shapes.check_pool_padding((window, window), (before, after, before, after))
    except ShapeError:
        assert max(before, after) >= window
        return
    for start in places(size, window, stride, before, after):
        assert set(range(start, start + window)) & set(range(size))


@pytest.mark.parametrize(
    "value, want",
    [
        (0, (0, 0, 0, 0)),
        (2, (2,) * 4),
        ((1, 2), (1, 1, 2, 2)),
        ([1, 2, 3, 4], (1, 2, 3, 4)),
        (((1, 2), (3, 4)), (1, 2, 3, 4)),
    ],
)
def test_borders(value, want):
    assert shapes.borders(value, "padding") == want


@pytest.mark.parametrize("bad", [-1, 1.5, "1", None, True, (1,), (1, 2, 3), (1, 2, 3, -4), ((1, 2), 3), [[1], [2]], ()])
def test_borders_that_mean_nothing(bad):
    with pytest.raises(SettingError, match="padding must be"):
        shapes.borders(bad, "padding")


@pytest.mark.parametrize("good, want", [(3, 3), (np.int8(3), 3), (np.uint64(3), 3)])
def test_integers(good, want):
    got = shapes.integer(good, "filters")
    assert got == want and type(got) is int
    assert shapes.pair(good, "size") == (3, 3) and shapes.pair((1, good), "size") == (1, 3)
    assert shapes.sizes(good, "sizes") == (3,) and shapes.sizes([1, good], "sizes") == (1, 3)


@pytest.mark.parametrize("bad", [0, -1, 1.0, 2.5, "3", None, True, np.bool_(True), math.nan, [3], 3j])
def test_no_integers(bad):
    with pytest.raises(SettingError, match="filters must be"):
        shapes.integer(bad, "filters")
    with pytest.raises(SettingError, match="size must be"):
        shapes.pair((1, bad), "size")
    for empty in ((), []):
        with pytest.raises(SettingError, match="sizes is empty"):
            shapes.sizes(empty, "sizes")


@pytest.mark.parametrize("good", [0, 1, 0.5, np.float32(0.5), np.int64(1), 1 / 3])
def test_numbers(good):
    got = shapes.number(good, "rate", 0, 1)
    assert got == good and type(got) is float


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan, math.inf, -math.inf, "0.5", None, True, 1j, [0.5], 10**400])
def test_no_numbers(bad):
    with pytest.raises(SettingError, match=r"rate must be a finite number from 0 to 1, got"):
        shapes.number(bad, "rate", 0, 1)
    with pytest.raises(SettingError, match=r"rate must be a finite number from 0 to 1 \(0 and 1 excluded\), got 1"):
        shapes.number(1, "rate", 0, 1, without=(0, 1))
    with pytest.raises(SettingError, match="must be a finite number of at least 0"):
        shapes.number(-1, "rate", 0)


def test_counts_by_hand():
    assert shapes.count((2, 3, 4)) == 24 and shapes.count(()) == 1
    assert shapes.convolution_flops((4, 5, 6), (3, 2), 7) == 2 * 120 * 42
    field = shapes.ReceptiveField((100, 50))
    assert field.pixels == (1, 1)
    assert field.add((3, 3), (2, 1)).pixels == (3, 3)
    assert field.add((3, 5), (1, 1)).pixels == (7, 7)
    assert field.add((1, 1), (1, 1)).pixels == (7, 7)
    assert field.add(None, (1, 1)).pixels == (100, 50)

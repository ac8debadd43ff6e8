"""Legal settings for the kernels, drawn by Hypothesis: built from the inside out, so none is thrown away.

The window comes first, then the padding, then how often the window is to fit, then what is left over. Values
are whole numbers from -8 to 8: every product and sum of them is exact in float32, so that kernels can be
compared to the last bit whatever order they add in.
"""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

DTYPES = (np.float32, np.float64)


def integers(rng, *shape):
    """Whole numbers from -8 to 8, as float64."""
    return rng.integers(-8, 9, shape).astype(np.float64)


def blank(shape, dtype):
    """An array to be written, full of NaN: what a kernel forgets to write will show."""
    return np.full(shape, np.nan, dtype)


def cast(dtype, *arrays):
    return [array.astype(dtype) for array in arrays]


def inner(a, b):
    """<a, b>, in float64."""
    return np.vdot(a.astype(np.float64), b.astype(np.float64))


def assert_close(got, want, tolerance):
    """Equal up to tolerance (a number or an array); a NaN on either side fails."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape
    error = np.abs(got - want)
    assert np.all(error <= tolerance), f"off by {error.max()}, allowed {np.max(tolerance)}"


class Dense(NamedTuple):
    x: np.ndarray  # (N, C)
    w: np.ndarray  # (C, F)
    b: np.ndarray  # (F,)
    dy: np.ndarray  # (N, F)


class Conv(NamedTuple):
    """A convolution; read from dy to x, and with the other b, it is a transposed one."""

    x: np.ndarray  # (N, H, W, C)
    w: np.ndarray  # (KH, KW, C, F)
    b: np.ndarray  # (F,)
    b_transposed: np.ndarray  # (C,)
    dy: np.ndarray  # (N, OH, OW, F)
    settings: tuple  # strides, padding, dilation


class Pool(NamedTuple):
    x: np.ndarray  # (N, H, W, C)
    dy: np.ndarray  # (N, OH, OW, C)
    settings: tuple  # window, strides, padding


class Upsample(NamedTuple):
    x: np.ndarray  # (N, H, W, C)
    dy: np.ndarray  # (N, OH, OW, C)
    settings: object  # size for nearest, align_corners for bilinear


_seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
_small = st.integers(1, 3)


@st.composite
def dense(draw):
    N, C, F = (draw(st.integers(1, 9)) for _ in "NCF")
    rng = draw(_seeds)
    return Dense(integers(rng, N, C), integers(rng, C, F), integers(rng, F), integers(rng, N, F))


def _axes(draw, dilations, widest_padding):
    """Sizes of image, output and window, strides, padding, dilation: rows and columns drawn apart."""
    rows, columns = (_axis(draw, dilations, widest_padding) for _ in range(2))
    return zip(rows, columns)


def _axis(draw, dilations, widest_padding):
    window, stride, dilation = draw(_small), draw(_small), draw(dilations)
    before, after = (draw(st.integers(0, widest_padding(window))) for _ in range(2))
    reach = (window - 1) * dilation + 1
    fewest = max(0, -((reach - before - after - 1) // stride))  # steps for at least one real pixel
    steps, leftover = fewest + draw(st.integers(0, 3)), draw(st.integers(0, stride - 1))
    image = reach + steps * stride + leftover - before - after
    return image, steps + 1, window, stride, (before, after), dilation


@st.composite
def conv2d(draw):
    image, output, window, strides, padding, dilation = _axes(draw, _small, lambda window: 2)
    N, C, F = draw(st.integers(1, 2)), *(draw(st.integers(1, 6)) for _ in "CF")  # up to 4 are few, for some kernels
    rng = draw(_seeds)
    return Conv(
        integers(rng, N, *image, C),
        integers(rng, *window, C, F),
        integers(rng, F),
        integers(rng, C),
        integers(rng, N, *output, F),
        (strides, padding[0] + padding[1], dilation),
    )


@st.composite
def pool2d(draw, multiple=1):
    """Every window sees a real pixel, since the padding is narrower. Values are multiples of `multiple`."""
    image, output, window, strides, padding, _ = _axes(draw, st.just(1), lambda window: window - 1)
    N, C = draw(_small), draw(_small)
    rng = draw(_seeds)
    x, dy = integers(rng, N, *image, C), integers(rng, N, *output, C)
    return Pool(multiple * x, multiple * dy, (window, strides, padding[0] + padding[1]))


@st.composite
def blocks(draw):
    """Nearest upsampling by whole factors."""
    N, H, W, C = draw(_small), draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(_small)
    size = draw(_small), draw(_small)
    rng = draw(_seeds)
    return Upsample(integers(rng, N, H, W, C), integers(rng, N, H * size[0], W * size[1], C), size)


@st.composite
def resize(draw, exact):
    """Bilinear to any size, smaller ones included; or by powers of two, for which weights are exact."""
    align_corners = draw(st.booleans())

    def new_size(size):
        if not exact:
            return draw(st.integers(1, 12))
        factor = draw(st.sampled_from([1, 2, 4]))
        return (size - 1) * factor + 1 if align_corners else size * factor

    N, H, W, C = draw(_small), draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(_small)
    OH, OW = new_size(H), new_size(W)
    rng = draw(_seeds)
    return Upsample(integers(rng, N, H, W, C), integers(rng, N, OH, OW, C), align_corners)

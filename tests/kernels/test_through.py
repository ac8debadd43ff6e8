"""Pooling and upsampling that go back through the activation in front of them: the adjoint, times the slope."""

import numpy as np
import pytest

from tests import naive
from tests.kernels.strategies import DTYPES, assert_close, blank, cast, integers

both_dtypes = pytest.mark.parametrize("dtype", DTYPES)
NO_PADDING = (0, 0, 0, 0)


@both_dtypes
@pytest.mark.parametrize("activation", naive.ACTIVATIONS)
@pytest.mark.parametrize("C", [1, 3, 17, 64])
@pytest.mark.parametrize("N, H, W", [(2, 5, 7), (2, 6, 4), (3, 25, 28)])
def test_backward_through_the_activation_in_front(backend, N, H, W, C, activation, dtype):
    """The adjoint, and then the slope at the pixel, as if the activation's own kernel had run afterwards."""
    rng = np.random.default_rng(C)
    act, alpha, eps = naive.ACTIVATIONS[activation], 0.5, np.finfo(dtype).eps
    before = act(rng.permuted(np.linspace(-2, 3, N * H * W * C)).reshape(N, H, W, C) + 1e-30j, alpha)
    x, slope = before.real.astype(dtype), before.imag / 1e-30

    def compare(kernel, y_shape, *arguments, first=None):
        (dy,) = cast(dtype, integers(rng, *y_shape))
        plain, got = blank(x.shape, dtype), blank(x.shape, dtype)
        argmax = () if first is None else (first[1],)
        kernel(dy, *argmax, plain, *arguments)
        kernel(dy, *argmax, got, *arguments, through=(x if first is None else first[0], activation, alpha))
        assert_close(got, plain * slope, 16 * eps * (1 + np.abs(plain)))
        assert activation != "relu" or np.array_equal(got, plain * (x > 0))

    for window, strides, padding in ((2, 2), (2, 2), NO_PADDING), ((3, 2), (1, 2), (1, 1, 0, 1)):
        OH, OW = (
            (size + pad - w) // s + 1 for size, pad, w, s in zip((H, W), (padding[0] * 2, padding[3]), window, strides)
        )
        y, argmax = blank((N, OH, OW, C), dtype), np.zeros((N, OH, OW, C), np.uint8)
        backend.maxpool2d_forward(x, y, argmax, window, strides, padding)
        compare(backend.maxpool2d_backward, y.shape, window, strides, padding, first=(y, argmax))
        compare(backend.avgpool2d_backward, y.shape, window, strides, padding, False)
    compare(backend.upsample_nearest_backward, (N, 2 * H, 3 * W, C), (2, 3))
    compare(backend.upsample_bilinear_backward, (N, 2 * H, 2 * W, C), False)
    compare(backend.upsample_bilinear_backward, (N, H + 3, W - 1, C), True)


@both_dtypes
@pytest.mark.parametrize("C", [3, 20])
def test_backward_through_an_activation_keeps_a_nan(backend, C, dtype):
    """Also where the slope is 0: it is a factor, not a mask."""
    x, dy, dx = np.zeros((1, 4, 6, C), dtype), np.ones((1, 2, 3, C), dtype), blank((1, 4, 6, C), dtype)
    dy[0, 1, 2, 1] = np.nan
    through = (x, "relu", 0.0)
    for count_padding in (True, False):
        backend.avgpool2d_backward(dy, dx, (2, 2), (2, 2), NO_PADDING, count_padding, through)
        assert np.argwhere(np.isnan(dx)).tolist() == [[0, h, w, 1] for h in (2, 3) for w in (4, 5)]
    y, argmax = np.zeros(dy.shape, dtype), np.zeros(dy.shape, np.uint8)
    backend.maxpool2d_backward(dy, argmax, dx, (2, 2), (2, 2), NO_PADDING, (y, "relu", 0.0))
    assert np.argwhere(np.isnan(dx)).tolist() == [[0, 2, 4, 1]]

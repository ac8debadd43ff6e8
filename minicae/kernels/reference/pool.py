"""Pooling: a sliding window again, but instead of a weighted sum it keeps the largest value, or the mean.

Encoders shrink images with it. The window is that of a convolution (conv.py), applied to each channel by
itself, and backward is again a matter of sending numbers to where they came from: all of dy to the largest
pixel, or an equal share to every pixel.

Two decisions that libraries make differently, and often silently. Max pooling pads with minus infinity, so an
image of negative numbers keeps them at the edge; among equal values the first in reading order wins, and
takes the whole gradient. Average pooling says by an argument whether padding counts as pixels.
"""

import numpy as np

from minicae.kernels.reference.activation import _pass_on, _slope
from minicae.kernels.reference.conv import _windows, _windows_adjoint


def maxpool2d_forward(x, y, argmax, window, strides, padding):
    """y[n, i, j, c] = the largest x in the window, and argmax = where in the window it is.

    A NaN counts as larger than every number.

    Parameters
    ----------
    x : float32|float64 (N, H, W, C)
    y : same dtype (N, OH, OW, C), written
        OH = (H + top + bottom - PH) // sh + 1, and OW likewise.
    argmax : uint8 (N, OH, OW, C), written
        p * PW + q for row p and column q of the window; the first one on ties. int32 where the window has more
        than 256 places.
    window : tuple of int, (PH, PW)
        Size in pixels.
    strides : tuple of int, (sh, sw)
        Steps of the window, in pixels.
    padding : tuple of int, (top, bottom, left, right)
        Minus infinities around x, in pixels. Every window must see at least one real pixel.
    """
    patches = _windows(x, window, strides, padding, fill=-np.inf)
    N, OH, OW, PH, PW, C = patches.shape
    candidates = patches.reshape(N, OH, OW, PH * PW, C)
    y[...] = candidates.max(axis=3)
    argmax[...] = candidates.argmax(axis=3)


def maxpool2d_backward(dy, argmax, dx, window, strides, padding, through=None):
    """dx = the sum of dy over all windows in which the pixel won.

    Parameters
    ----------
    dy : float32|float64 (N, OH, OW, C)
    argmax : uint8|int32 (N, OH, OW, C)
        What `maxpool2d_forward` wrote.
    dx : same dtype as dy (N, H, W, C), written
    window : tuple of int, (PH, PW)
    strides : tuple of int, (sh, sw)
    padding : tuple of int, (top, bottom, left, right)
    through : tuple (y, activation, alpha), or None
        The activation in front of this layer; y, of the shape of dy, is what `maxpool2d_forward` wrote. dy is first
        multiplied by the activation's slope. That slope is told from the activation's output, which at the winning
        pixel is y itself: so dx is the gradient of the pre-activation, though nothing here reads all of x.
    """
    if through is not None:
        y, activation, alpha = through
        dy = dy * _slope(y, activation, alpha)
    N, OH, OW, C = dy.shape
    places = np.arange(window[0] * window[1])[:, None]
    shares = np.where(argmax[:, :, :, None] == places, dy[:, :, :, None], 0)  # (N, OH, OW, PH * PW, C)
    _windows_adjoint(shares.reshape(N, OH, OW, *window, C), dx, strides, padding)


def avgpool2d_forward(x, y, window, strides, padding, count_padding):
    """y[n, i, j, c] = the mean of x in the window.

    Parameters
    ----------
    x : float32|float64 (N, H, W, C)
    y : same dtype (N, OH, OW, C), written
    window : tuple of int, (PH, PW)
        Size in pixels.
    strides : tuple of int, (sh, sw)
        Steps of the window, in pixels.
    padding : tuple of int, (top, bottom, left, right)
        Zeros around x, in pixels.
    count_padding : bool
        Divide by PH * PW everywhere; else by the number of real pixels in the window, at least one.
    """
    total = _windows(x, window, strides, padding).sum(axis=(3, 4))
    y[...] = total / _pixels(x, window, strides, padding, count_padding)


def avgpool2d_backward(dy, dx, window, strides, padding, count_padding, through=None):
    """dx = the sum, over all windows that hold the pixel, of dy / the number of pixels.

    Parameters
    ----------
    dy : float32|float64 (N, OH, OW, C)
    dx : same dtype (N, H, W, C), written
    window : tuple of int, (PH, PW)
    strides : tuple of int, (sh, sw)
    padding : tuple of int, (top, bottom, left, right)
    count_padding : bool
        As in `avgpool2d_forward`.
    through : tuple (x, activation, alpha), or None
        The activation in front of this layer: x, of the shape of dx, is its output, which forward read. dx is then
        multiplied by its slope at x, which makes it the gradient of the pre-activation.
    """
    N, OH, OW, C = dy.shape
    share = dy / _pixels(dx, window, strides, padding, count_padding)
    everywhere = np.broadcast_to(share[:, :, :, None, None], (N, OH, OW, *window, C))
    _windows_adjoint(everywhere, dx, strides, padding)
    _pass_on(dx, through)


def _pixels(x, window, strides, padding, count_padding):
    """What the mean divides by, window by window: broadcasts to (N, OH, OW, C)."""
    ones = np.ones((1, *x.shape[1:3], 1), x.dtype)
    return _windows(ones, window, strides, padding, fill=1 if count_padding else 0).sum(axis=(3, 4))

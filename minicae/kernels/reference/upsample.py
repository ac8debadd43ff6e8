"""Upsampling: how a decoder makes images larger without learning anything.

Nearest upsampling repeats every pixel; bilinear upsampling draws straight lines between pixel centres, along
the rows and then along the columns. Both are linear, so backward is their adjoint: wherever forward read a
pixel with some weight, backward adds to that pixel with the same weight. (Backward of nearest is therefore
the *sum* of a block, not a pick from it.)

The one subtle question is where the centres are. Half-pixel centres see pixel i as the interval [i, i + 1],
of which i + 0.5 is the middle: the picture keeps its place at any size. With `align_corners` the first and
last pixel centres of both images coincide.
"""

import numpy as np

from minicae.kernels.reference.activation import _pass_on


def upsample_nearest_forward(x, y, size):
    """y[n, i, j, c] = x[n, i // sh, j // sw, c]: every pixel becomes a block.

    Parameters
    ----------
    x : float32|float64 (N, H, W, C)
    y : same dtype (N, H * sh, W * sw, C), written
    size : tuple of int, (sh, sw)
        Height and width of a block, in pixels.
    """
    (N, H, W, C), (sh, sw) = x.shape, size
    y.reshape(N, H, sh, W, sw, C)[...] = x[:, :, None, :, None]


def upsample_nearest_backward(dy, dx, size, through=None):
    """dx[n, i, j, c] = the sum of the sh x sw block of dy that the pixel became.

    Parameters
    ----------
    dy : float32|float64 (N, H * sh, W * sw, C)
    dx : same dtype (N, H, W, C), written
    size : tuple of int, (sh, sw)
    through : tuple (x, activation, alpha), or None
        The activation in front of this layer: x, of the shape of dx, is its output, which forward read. dx is then
        multiplied by its slope at x, which makes it the gradient of the pre-activation.
    """
    (N, H, W, C), (sh, sw) = dx.shape, size
    dx[...] = dy.reshape(N, H, sh, W, sw, C).sum(axis=(2, 4))
    _pass_on(dx, through)


def upsample_bilinear_forward(x, y, align_corners):
    """y[n, i, j, c] = x at the point (i, j), seen from y, on straight lines between the four pixels around
    it.

    Parameters
    ----------
    x : float32|float64 (N, H, W, C)
    y : same dtype (N, OH, OW, C), written
        The scale, OH / H by OW / W, follows from the shapes and need not be whole.
    align_corners : bool
        Where the point is: at row i * (H - 1) / (OH - 1), or 0 if OH is 1; else at (i + 0.5) * H / OH - 0.5,
        kept between 0 and H - 1. Columns likewise.
    """
    above, below, u = _neighbours(x.shape[1], y.shape[1], align_corners, x.dtype)
    before, after, v = _neighbours(x.shape[2], y.shape[2], align_corners, x.dtype)
    u, v = u[:, None, None], v[:, None]
    rows = (1 - u) * x[:, above] + u * x[:, below]  # (N, OH, W, C)
    y[...] = (1 - v) * rows[:, :, before] + v * rows[:, :, after]


def upsample_bilinear_backward(dy, dx, align_corners, through=None):
    """dx = the adjoint: forward in reverse order, where each reading with a weight becomes an adding with it.

    Parameters
    ----------
    dy : float32|float64 (N, OH, OW, C)
    dx : same dtype (N, H, W, C), written
    align_corners : bool
    through : tuple (x, activation, alpha), or None
        The activation in front of this layer: x, of the shape of dx, is its output, which forward read. dx is then
        multiplied by its slope at x, which makes it the gradient of the pre-activation.
    """
    above, below, u = _neighbours(dx.shape[1], dy.shape[1], align_corners, dy.dtype)
    before, after, v = _neighbours(dx.shape[2], dy.shape[2], align_corners, dy.dtype)
    u, v = u[:, None, None], v[:, None]
    rows = np.zeros((*dy.shape[:2], *dx.shape[2:]), dx.dtype)  # (N, OH, W, C)
    np.add.at(rows, np.s_[:, :, before], (1 - v) * dy)
    np.add.at(rows, np.s_[:, :, after], v * dy)
    dx[...] = 0
    np.add.at(dx, np.s_[:, above], (1 - u) * rows)
    np.add.at(dx, np.s_[:, below], u * rows)
    _pass_on(dx, through)


def _neighbours(size, new_size, align_corners, dtype):
    """Along one axis, for each new pixel: the old ones before and after it, and how far between."""
    i = np.arange(new_size)
    if align_corners:
        source = i * (size - 1) / max(new_size - 1, 1)
    else:
        source = np.clip((i + 0.5) * size / new_size - 0.5, 0, size - 1)
    before = source.astype(int)
    after = np.minimum(before + 1, size - 1)
    return before, after, (source - before).astype(dtype)

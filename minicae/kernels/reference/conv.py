"""Convolution, forward and backward, and the transposed convolution that undoes its shapes.

A convolution slides a small window over an image and applies one and the same dense layer to what it sees:

    y[n, i, j, f] = b[f] + sum over p, q, c of x[n, i*sh + p*dh - top, j*sw + q*dw - left, c] * w[p, q, c, f]

where pixels outside the image are 0. The strides (sh, sw) are the steps of the window, the dilation (dh, dw)
spreads the window's own pixels apart, the padding (top, bottom, left, right) lets it hang over the edge.
(Signal processing would call this a correlation: the kernel is not flipped.) For the arithmetic of the sizes
see Dumoulin & Visin 2016.

The trick that makes it fast is *im2col* (Chellapilla, Puri & Simard 2006): write every patch as a row of a
matrix, and the convolution has become one matrix product. With a 3 x 3 image, a 2 x 2 kernel, one channel:

    x                 cols = im2col(x)        w           y = cols w
                      +---------+
    a b c             | a b d e |           | w00 |       y[0, 0]
    d e f    ---->    | b c e f |     @     | w01 |   =   y[0, 1]
    g h i             | d e g h |           | w10 |       y[1, 0]
                      | e f h i |           | w11 |       y[1, 1]
                      +---------+

Its adjoint, *col2im*, sends every entry of cols back to the pixel it was copied from, and adds up where
patches overlap (e, above, was copied four times). With these two, backward is that of a dense layer:

    forward            y = im2col(x) w
    backward_weight    dw = im2col(x)' dpre
    backward_input     dx = col2im(dpre w')

Read `_windows`, `_im2col`, `_col2im`, then `conv2d_forward`. The transposed convolution, at the end, has no
arithmetic of its own: it is the same three functions with forward and backward_input exchanged.
"""

import numpy as np

from minicae.kernels.reference import _winograd
from minicae.kernels.reference.activation import _pass_on, activation_forward


def _windows(x, window, strides, padding, dilation=(1, 1), fill=0):
    """Every patch that a sliding window sees: (N, H, W, C) to (N, OH, OW, KH, KW, C).

    Only the padding is copied. The patches are a view, in which one pixel appears at many indices.
    """
    (KH, KW), (sh, sw), (dh, dw), (top, bottom, left, right) = window, strides, dilation, padding
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    reach = ((KH - 1) * dh + 1, (KW - 1) * dw + 1)
    seen = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(1, 2))  # (N, ., ., C, *reach)
    return seen[:, ::sh, ::sw, :, ::dh, ::dw].transpose(0, 1, 2, 4, 5, 3)


def _windows_adjoint(patches, dx, strides, padding, dilation=(1, 1)):
    """The adjoint of `_windows`: dx = the sum of all patches, each where it was; the padding is cut off."""
    N, OH, OW, KH, KW, C = patches.shape
    (sh, sw), (dh, dw), (top, bottom, left, right) = strides, dilation, padding
    H, W = dx.shape[1:3]
    padded = np.zeros((N, top + H + bottom, left + W + right, C), dx.dtype)
    for p in range(KH):
        for q in range(KW):
            # the pixels that patches have at (p, q): distinct ones, a stride apart
            padded[:, p * dh :: sh, q * dw :: sw][:, :OH, :OW] += patches[:, :, :, p, q]
    dx[...] = padded[:, top : top + H, left : left + W]


def _im2col(x, window, strides, padding, dilation):
    """The patches as a matrix: one row an output pixel (N * OH * OW), one column a weight (KH * KW * C)."""
    patches = _windows(x, window, strides, padding, dilation)
    N, OH, OW, KH, KW, C = patches.shape
    return patches.reshape(N * OH * OW, KH * KW * C)


def _col2im(cols, dx, window, strides, padding, dilation, OH, OW):
    """The adjoint of `_im2col`: every entry goes back to its pixel, and what overlaps is added."""
    patches = cols.reshape(dx.shape[0], OH, OW, *window, dx.shape[3])
    _windows_adjoint(patches, dx, strides, padding, dilation)


def _as_matrix(w):
    """(KH, KW, C, F) to (KH * KW * C, F), the rows in the order of the columns of `_im2col`."""
    return w.reshape(-1, w.shape[3])


def conv2d_algorithm(x_shape, w_shape, strides, padding, dilation, dtype, wanted):
    """The name of the algorithm for a convolution of these sizes: "im2col", "winograd(2x2)" or "winograd(4x4)".

    Winograd's is for 3 x 3 kernels at stride 1 in float32, with at most two pixels of padding; this backend uses it
    only where it is wanted.

    Parameters
    ----------
    x_shape : tuple of int, (H, W, C)
    w_shape : tuple of int, (KH, KW, C, F)
    strides : tuple of int, (sh, sw)
    padding : tuple of int, (top, bottom, left, right)
    dilation : tuple of int, (dh, dw)
    dtype : numpy dtype
    wanted : str
        "auto", "im2col" or "winograd".

    Returns
    -------
    str
    """
    fits = w_shape[:2] == (3, 3) and strides == dilation == (1, 1) and max(padding) <= 2 and dtype == np.float32
    return _winograd.fitting(x_shape, padding) if fits and wanted == "winograd" else "im2col"


def conv2d_forward(x, w, b, y, strides, padding, dilation, activation, alpha, algorithm="im2col"):
    """y = act(im2col(x) w + b).

    Parameters
    ----------
    x : float32|float64 (N, H, W, C)
    w : same dtype (KH, KW, C, F)
    b : same dtype (F,), or None
    y : same dtype (N, OH, OW, F), written
        OH = (H + top + bottom - (KH - 1) * dh - 1) // sh + 1, and OW likewise.
    strides : tuple of int, (sh, sw)
        Steps of the window, in pixels.
    padding : tuple of int, (top, bottom, left, right)
        Zeros around x, in pixels.
    dilation : tuple of int, (dh, dw)
        Distance between neighbours in the window, in pixels; 1 for an ordinary one.
    activation : str
        As in `activation_forward`.
    alpha : float
        As in `activation_forward`.
    algorithm : str
        What `conv2d_algorithm` gave for these sizes.
    """
    if algorithm in _winograd.TILES:
        _winograd.convolve(x, w, y, padding, _winograd.TILES[algorithm])
    else:
        y[...] = (_im2col(x, w.shape[:2], strides, padding, dilation) @ _as_matrix(w)).reshape(y.shape)
    if b is not None:
        y += b
    activation_forward(y, y, activation, alpha)


def conv2d_backward_input(dpre, w, dx, strides, padding, dilation, algorithm="im2col", through=None):
    """dx = col2im(dpre w').

    Parameters
    ----------
    dpre : float32|float64 (N, OH, OW, F)
        Gradient of the pre-activation.
    w : same dtype (KH, KW, C, F)
    dx : same dtype (N, H, W, C), written
    strides : tuple of int, (sh, sw)
    padding : tuple of int, (top, bottom, left, right)
    dilation : tuple of int, (dh, dw)
    algorithm : str
        What `conv2d_algorithm` gave for these sizes.
    through : tuple (x, activation, alpha), or None
        The activation in front of this layer: x, of the shape of dx, is its output, which forward read. dx is then
        multiplied by its slope at x, which makes it the gradient of the pre-activation.
    """
    if algorithm in _winograd.TILES:
        _winograd.adjoint(dpre, w, dx, padding, _winograd.TILES[algorithm])
    else:
        N, OH, OW, F = dpre.shape
        cols = dpre.reshape(N * OH * OW, F) @ _as_matrix(w).T
        _col2im(cols, dx, w.shape[:2], strides, padding, dilation, OH, OW)
    _pass_on(dx, through)


def conv2d_backward_weight(x, dpre, dw, db, strides, padding, dilation, algorithm="im2col"):
    """dw = im2col(x)' dpre and db = sum of dpre over images and pixels.

    Parameters
    ----------
    x : float32|float64 (N, H, W, C)
    dpre : same dtype (N, OH, OW, F)
        Gradient of the pre-activation.
    dw : same dtype (KH, KW, C, F), written
    db : same dtype (F,), written, or None
    strides : tuple of int, (sh, sw)
    padding : tuple of int, (top, bottom, left, right)
    dilation : tuple of int, (dh, dw)
    algorithm : str
        What `conv2d_algorithm` gave for these sizes.
    """
    if algorithm in _winograd.TILES:
        _winograd.correlate(x, dpre, dw, padding, _winograd.TILES[algorithm])
    else:
        N, OH, OW, F = dpre.shape
        cols = _im2col(x, dw.shape[:2], strides, padding, dilation)
        dw[...] = (cols.T @ dpre.reshape(N * OH * OW, F)).reshape(dw.shape)
    if db is not None:
        dpre.sum(axis=(0, 1, 2), out=db)


def conv2d_transpose_forward(x, w, b, y, strides, padding, dilation, activation, alpha, algorithm="im2col"):
    """y = act(col2im(x w') + b): every pixel of x stamps the kernel, scaled, into a larger image.

    The name says it: seen as a matrix, this map is the transpose of the convolution with the same w, strides,
    padding and dilation that takes (OH, OW, F) to (H, W, C). It gives back the shape, not the values (Zeiler
    et al. 2010; Dumoulin & Visin 2016, chapter 4).

    Parameters
    ----------
    x : float32|float64 (N, H, W, C)
    w : same dtype (KH, KW, F, C)
        Output channels before input channels: the kernel of the convolution that goes the other way.
    b : same dtype (F,), or None
    y : same dtype (N, OH, OW, F), written
        Any size that the convolution takes to H x W; pixels that no stamp reaches hold act(b).
    strides : tuple of int, (sh, sw)
        Steps between stamps, in pixels of y.
    padding : tuple of int, (top, bottom, left, right)
        What is cut off the edges of the stamped image, in pixels of y.
    dilation : tuple of int, (dh, dw)
    activation : str
        As in `activation_forward`.
    alpha : float
        As in `activation_forward`.
    algorithm : str
        What `conv2d_algorithm` gave for the convolution that goes the other way.
    """
    conv2d_backward_input(x, w, y, strides, padding, dilation, algorithm)
    if b is not None:
        y += b
    activation_forward(y, y, activation, alpha)


def conv2d_transpose_backward_input(dpre, w, dx, strides, padding, dilation, algorithm="im2col", through=None):
    """dx = im2col(dpre) w: the transpose of a transpose is the convolution itself.

    Parameters
    ----------
    dpre : float32|float64 (N, OH, OW, F)
        Gradient of the pre-activation.
    w : same dtype (KH, KW, F, C)
    dx : same dtype (N, H, W, C), written
    strides : tuple of int, (sh, sw)
    padding : tuple of int, (top, bottom, left, right)
    dilation : tuple of int, (dh, dw)
    algorithm : str
        As in `conv2d_transpose_forward`.
    through : tuple (x, activation, alpha), or None
        As in `conv2d_backward_input`.
    """
    conv2d_forward(dpre, w, None, dx, strides, padding, dilation, "linear", 0.0, algorithm)
    _pass_on(dx, through)


def conv2d_transpose_backward_weight(x, dpre, dw, db, strides, padding, dilation, algorithm="im2col"):
    """dw = im2col(dpre)' x and db = sum of dpre over images and pixels.

    Parameters
    ----------
    x : float32|float64 (N, H, W, C)
    dpre : same dtype (N, OH, OW, F)
        Gradient of the pre-activation.
    dw : same dtype (KH, KW, F, C), written
    db : same dtype (F,), written, or None
    strides : tuple of int, (sh, sw)
    padding : tuple of int, (top, bottom, left, right)
    dilation : tuple of int, (dh, dw)
    algorithm : str
        As in `conv2d_transpose_forward`.
    """
    conv2d_backward_weight(dpre, x, dw, None, strides, padding, dilation, algorithm)
    if db is not None:
        dpre.sum(axis=(0, 1, 2), out=db)

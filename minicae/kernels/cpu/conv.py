"""Convolution and its adjoint: the shapes are turned into one of the three matrix products of `_gemm.py`.

The transposed convolution needs no code of its own: it is `conv2d_backward_input` with a bias and an activation, and its
two gradients are the forward pass and the weight gradient of the same convolution with x and dy exchanged. The same
holds for Winograd's way of doing 3x3 at stride 1, in `_winograd.py`, and for few channels on one side, in `_few.py`.
"""

import numpy as np

from minicae.kernels.cpu import _few, _gemm, _winograd
from minicae.kernels.cpu._epilogue import ending_of
from minicae.kernels.cpu._micro import ROWS, columns
from minicae.kernels.cpu._patches import PITCH
from minicae.kernels.cpu._scratch import empty, round_up, scratch, threads
from minicae.kernels.cpu._winograd import TILES

NONE = (None, "linear", 0.0)  # no activation in front of a layer


def conv2d_algorithm(x_shape, w_shape, strides, padding, dilation, dtype, wanted):
    """As `reference.conv.conv2d_algorithm`; "auto" takes Winograd's where it fits and the channels are not few."""
    fits = w_shape[:2] == (3, 3) and strides == dilation == (1, 1) and max(padding) <= 2 and dtype == np.float32
    return _winograd.algorithm(x_shape, w_shape, padding, wanted) if fits and wanted != "im2col" else "im2col"


def conv2d_forward(x, w, b, y, strides, padding, dilation, activation, alpha, algorithm="im2col"):
    """As `reference.conv.conv2d_forward`; the column matrix is packed tile by tile, bias and activation follow each tile."""
    _convolve(x, w, b, y, strides, padding, dilation, (None, activation, alpha), algorithm)


def conv2d_backward_input(dpre, w, dx, strides, padding, dilation, algorithm="im2col", through=None):
    """As `reference.conv.conv2d_backward_input`; at stride 1 it is a convolution of dpre with the filters turned round."""
    _adjoint(dpre, w, None, dx, strides, padding, dilation, through or NONE, algorithm)


def conv2d_backward_weight(x, dpre, dw, db, strides, padding, dilation, algorithm="im2col"):
    """As `reference.conv.conv2d_backward_weight`; each thread owns a part of dw, so nothing is summed twice."""
    KH, KW, C, F = dw.shape
    turned = _corner(dw, padding, dilation)
    if algorithm in TILES:
        _winograd.correlate(x, dpre, dw, db, padding[::2], TILES[algorithm])
    elif _few.fits(C, (KH, KW)):
        _weigh(x, dpre, dw, db, strides, padding[::2], dilation)
    elif _few.fits(F, (KH, KW)) and strides == (1, 1) and min(turned) >= 0:
        other = np.empty((KH, KW, F, C), dw.dtype)
        _weigh(dpre, x, other, None, strides, turned, dilation)
        dw[...] = _turned(other)
        _sum(dpre, db)
    else:
        _correlate(x, dpre, dw, db, (KH, KW), strides, padding[::2], dilation)


def conv2d_transpose_forward(x, w, b, y, strides, padding, dilation, activation, alpha, algorithm="im2col"):
    """As `reference.conv.conv2d_transpose_forward`."""
    _adjoint(x, w, b, y, strides, padding, dilation, (None, activation, alpha), algorithm)


def conv2d_transpose_backward_input(dpre, w, dx, strides, padding, dilation, algorithm="im2col", through=None):
    """As `reference.conv.conv2d_transpose_backward_input`."""
    _convolve(dpre, w, None, dx, strides, padding, dilation, through or NONE, algorithm)


def conv2d_transpose_backward_weight(x, dpre, dw, db, strides, padding, dilation, algorithm="im2col"):
    """As `reference.conv.conv2d_transpose_backward_weight`."""
    conv2d_backward_weight(dpre, x, dw, None, strides, padding, dilation, algorithm)
    _sum(dpre, db)


def _convolve(x, w, b, y, strides, padding, dilation, ending, algorithm):
    """y = act(x * w + b), or times the slope at a gate, where `ending` = (gate or None, activation, alpha)."""
    KH, KW, C, F = w.shape
    turned = _corner(w, padding, dilation)
    if algorithm in TILES:
        _winograd.convolve(x, w, b, y, padding[::2], False, ending, TILES[algorithm])
    elif _few.fits(C, (KH, KW)):
        _gather(x, w, b, y, strides, padding[::2], dilation, ending)
    elif _few.fits(F, (KH, KW)) and strides == (1, 1) and min(turned) >= 0:
        _stamp(x, _turned(w), b, y, strides, turned, dilation, ending)
    else:
        _multiply(x, w, b, y, (KH, KW), strides, padding[::2], dilation, False, ending)


def _adjoint(y, w, b, x, strides, padding, dilation, ending, algorithm):
    """x = act(adjoint of the convolution (y) + b), or times the slope at a gate."""
    KH, KW, C, F = w.shape
    turned = _corner(w, padding, dilation)
    around = strides == (1, 1) and min(turned) >= 0  # the adjoint is a convolution with the kernel turned round
    if algorithm in TILES:
        _winograd.convolve(y, w, b, x, turned, True, ending, TILES[algorithm])
    elif _few.fits(F, (KH, KW)) and around:
        _gather(y, _turned(w), b, x, strides, turned, dilation, ending)
    elif _few.fits(C, (KH, KW)):
        _stamp(y, w, b, x, strides, padding[::2], dilation, ending)
    elif around:
        _multiply(y, w, b, x, (KH, KW), strides, turned, dilation, True, ending)
    else:
        _spread(y, w, b, x, strides, padding[::2], dilation, ending)


def _corner(w, padding, dilation):
    """(top, left) padding of the convolution, with the kernel turned round, that is the adjoint at stride 1."""
    return (w.shape[0] - 1) * dilation[0] - padding[0], (w.shape[1] - 1) * dilation[1] - padding[2]


def _turned(w):
    """w (KH, KW, C, F) turned half round, its channels exchanged: (KH, KW, F, C)."""
    return np.ascontiguousarray(w[::-1, ::-1].transpose(0, 1, 3, 2))


def _gather(x, w, b, y, strides, corner, dilation, ending):
    gate, code, alpha = ending_of(ending, x.dtype)
    K = w.shape[0] * w.shape[1] * w.shape[2]
    area = scratch(x.dtype, threads() * K * _few.BLOCK)
    _few.gather(
        y.size * K, x.reshape(-1), w.reshape(-1), _bias(b, x.dtype), gate,
        y.reshape(-1), x.shape[1:], w.shape[:2], y.shape[1:3], strides, corner, dilation, y.shape[3], code, alpha, area,
    )  # fmt: skip


def _weigh(x, dy, dw, db, strides, corner, dilation):
    F = dy.shape[3]
    K = dw.size // F
    area = scratch(x.dtype, (K + 1) * (-(-dy.size // (F * _few.SUM)) * F + threads() * _few.SUM))
    _few.weigh(
        dy.size * K, x.reshape(-1), dy.reshape(-1), dw.reshape(-1), _bias(db, x.dtype), x.shape[1:],
        dw.shape[:2], dy.shape[1:3], strides, corner, dilation, F, area,
    )  # fmt: skip


def _stamp(y, w, b, x, strides, corner, dilation, ending):
    gate, code, alpha = ending_of(ending, x.dtype)
    F = y.shape[3]
    K = w.size // F
    area = scratch(x.dtype, K * F + threads() * y.shape[1] * y.shape[2] * K)
    _few.stamp(
        y.size * K, y.reshape(-1), w.reshape(-1), _bias(b, x.dtype), gate,
        x.reshape(-1), x.shape[1:], w.shape[:2], y.shape[1:3], strides, corner, dilation, F, code, alpha, area,
    )  # fmt: skip


def _spread(y, w, b, x, strides, corner, dilation, ending):
    """`_gemm.spread`, image by image, in blocks of pixels."""
    gate, code, alpha = ending_of(ending, x.dtype)
    width = columns(x.dtype)
    KH, KW, C, F = w.shape
    padded = -(-KH * KW * C // width) * width
    block = min(_gemm.BLOCK, y.shape[1] * y.shape[2])
    area = scratch(x.dtype, padded * (F + threads() * block))
    _gemm.spread(
        y.size * KH * KW * C, y.reshape(-1), w.reshape(-1), _bias(b, x.dtype), gate, x.reshape(-1), x.shape[1:], (KH,
        KW), y.shape[1:3], strides, corner,
        dilation, F, code, alpha, width, block, area,
    )  # fmt: skip


def _multiply(x, w, b, y, kernel, strides, corner, dilation, turned, ending):
    """`_gemm.convolve`, the rows shared out in blocks small enough to keep every thread busy."""
    gate, code, alpha = ending_of(ending, x.dtype)
    width = columns(x.dtype)
    F = y.shape[-1]
    K = kernel[0] * kernel[1] * x.shape[-1]
    block = _share(y.size // F if F else 0)
    area = scratch(x.dtype, -(-F // width) * width * K + threads() * block * (PITCH + width))
    _gemm.convolve(
        y.size * K, x.reshape(-1), w.reshape(-1), _bias(b, x.dtype), gate,
        y.reshape(-1), x.shape[1:], kernel, y.shape[1:3], strides, corner, dilation, F, turned, code, alpha, width,
        block, area,
    )  # fmt: skip


def _correlate(x, dy, dw, db, kernel, strides, corner, dilation):
    """dw = columns(x)^T dy; the rows of dw, and its columns where the rows are few, are shared out."""
    width = columns(x.dtype)
    F = dy.shape[-1]
    K = kernel[0] * kernel[1] * x.shape[-1]
    span = min(PITCH, round_up(-(-K // (2 * threads())), ROWS))
    panels = -(-F // width)
    if K < threads() * ROWS:
        panels = -(-panels // threads())
    area = scratch(x.dtype, threads() * (_gemm.BLOCK * (PITCH + panels * width) + span * width))
    _gemm.correlate(
        dy.size * K, x.reshape(-1), dy.reshape(-1), dw.reshape(-1), _bias(db, x.dtype), x.shape[1:],
        kernel, dy.shape[1:3], strides, corner, dilation, F, span, panels, width, _gemm.BLOCK, area,
    )  # fmt: skip


def _share(rows):
    """Rows of a block: at most BLOCK, fewer where that would leave threads without work."""
    return max(ROWS, min(_gemm.BLOCK, round_up(-(-rows // (4 * threads())), ROWS)))


def _sum(dpre, db):
    """db = the sums of dpre over images and pixels, unless it is None."""
    if db is not None:
        _gemm.column_sums(dpre.size, dpre.reshape(-1), db, scratch(db.dtype, db.size))


def _bias(b, dtype):
    """b, or an array of no elements where there is none."""
    return empty(dtype) if b is None else b

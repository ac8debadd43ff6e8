"""Convolutions with few channels on one side: the first layer of an autoencoder reads one, the last one writes one.

Two things change with few channels. The runs of channels that make packing fast are only a number or three long, so the
column matrix is packed the other way round, one row for each tap of the kernel, whose runs are rows of the image:

        x (H, W)              tap (0, 0)  | x x x x x x ...        one column for each pixel of y
      +-----------+           tap (0, 1)  | x x x x x ...
      | x x x x x |   ---->   tap (0, 2)  | x x x x ...
      | x x x x x |             ...
      +-----------+

And the matrix on the other side is narrow, so instead of gathering patches of many channels, all channels of a pixel are
multiplied first, by one column for each tap, and the products are added to where the taps belong:

    `gather`   y  = act(columns(x) W + b)      few channels of x
    `weigh`    dw = columns(x)^T dy            few channels of x
    `stamp`    x  = act(adjoint(y W^T) + b)    few channels of x

A convolution at stride 1 with few filters is `stamp` with the kernel turned half round, and its gradients are `gather`
and `weigh` with x and dy exchanged.
"""

import numba
from numba import prange

from minicae.kernels.cpu._direct import multiply
from minicae.kernels.cpu._epilogue import finish
from minicae.kernels.cpu._jit import entry_of_tiles, helper
from minicae.kernels.cpu._transpose import turn
from minicae.kernels.cpu._vector import add, clear, copy

FEW = 4  # channels
TAPS = 64  # rows that the column matrix may have
BLOCK = 192  # pixels of y that are packed at a time
SUM = 768  # pixels of one partial sum of dw: fixed, so that no bit depends on the number of threads


def fits(channels, kernel) -> bool:
    """Whether a side with so many channels, seen through a kernel (KH, KW), is this file's."""
    return channels <= FEW and channels * kernel[0] * kernel[1] <= TAPS


@helper
def _pack_taps(x, x_shape, kernel, out_shape, strides, corner, dilation, first, count, pitch, area, at):
    """area[at + k * pitch + r] = number k of the patch under pixel first + r of y, k = (p * KW + q) * C + c."""
    H, W, C = x_shape
    OH, OW = out_shape
    r = 0
    while r < count:
        n, pixel = divmod(first + r, OH * OW)
        i, j = divmod(pixel, OW)
        run, k = min(OW - j, count - r), 0
        for p in range(kernel[0]):
            h = i * strides[0] - corner[0] + p * dilation[0]
            for q in range(kernel[1]):
                w = j * strides[1] - corner[1] + q * dilation[1]
                # pixels low..high of the run look at a place inside the row
                low = min(run, max(0, (strides[1] - 1 - w) // strides[1]))
                high = max(low, min(run, (W - w + strides[1] - 1) // strides[1])) if 0 <= h < H else low
                source = ((n * H + h) * W + w + low * strides[1]) * C
                for c in range(C):
                    to = at + k * pitch + r
                    clear(area, to, low)
                    _pick(x, source + c, strides[1] * C, area, to + low, high - low)
                    clear(area, to + high, run - high)
                    k += 1
        r += run


@helper
def _pick(x, at, step, area, to, count):
    """area[to + t] = x[at + t * step]."""
    if step == 1:
        copy(x, at, area, to, count)
    else:
        for t in range(count):
            area[to + t] = x[at + t * step]


@entry_of_tiles
def gather(x, w, b, gate, y, x_shape, kernel, out_shape, strides, corner, dilation, F, code, alpha, area):
    """y = act(columns(x) W + b), or, with a gate (of y's size), y = columns(x) W act'(gate); `area` is scratch."""
    K = kernel[0] * kernel[1] * x_shape[2]
    M = y.size // F
    for task in prange((M + BLOCK - 1) // BLOCK):
        own = numba.get_thread_id() * K * BLOCK
        first = task * BLOCK
        count = min(BLOCK, M - first)
        _pack_taps(x, x_shape, kernel, out_shape, strides, corner, dilation, first, count, BLOCK, area, own)
        multiply(count, K, area, own, 1, BLOCK, w, 0, F, y, first * F, F, F)
        finish(y, first * F, count, F, b, gate, code, alpha)


@entry_of_tiles
def weigh(x, dy, dw, db, x_shape, kernel, out_shape, strides, corner, dilation, F, area):
    """dw = columns(x)^T dy, and db = the sums of dy, unless it is empty: the product with a row of ones.

    Scratch: (K + 1) x F partial sums for each SUM pixels, then the packed taps of each thread.
    """
    K = kernel[0] * kernel[1] * x_shape[2]
    M = dy.size // F
    parts = (M + SUM - 1) // SUM
    for part in prange(parts):
        own = parts * (K + 1) * F + numba.get_thread_id() * (K + 1) * SUM
        first = part * SUM
        count = min(SUM, M - first)
        _pack_taps(x, x_shape, kernel, out_shape, strides, corner, dilation, first, count, SUM, area, own)
        for r in range(own + K * SUM, own + K * SUM + count):
            area[r] = 1
        multiply(K + 1, count, area, own, SUM, 1, dy, first * F, F, area, part * (K + 1) * F, F, F)
    for k in prange(K + 1):
        total = dw[k * F : (k + 1) * F] if k < K else db
        clear(total, 0, total.size)
        for part in range(parts):
            at = (part * (K + 1) + k) * F
            add(area[at : at + total.size], total)


@entry_of_tiles
def stamp(y, w, b, gate, x, x_shape, kernel, out_shape, strides, corner, dilation, F, code, alpha, area):
    """x = act(adjoint(y W^T) + b), gated as in `gather`: each pixel of y stamps the kernel, scaled, into x.

    Scratch: W^T (F, K), then one image of products (OH * OW, K) for each thread.
    """
    H, W, C = x_shape
    OH, OW = out_shape
    K = kernel[0] * kernel[1] * C
    turn(w, 0, K, F, area, 0)
    for n in prange(x.size // (H * W * C)):
        own = K * F + numba.get_thread_id() * OH * OW * K
        base = n * H * W * C
        multiply(OH * OW, F, y, n * OH * OW * F, F, 1, area, 0, K, area, own, K, K)
        clear(x, base, H * W * C)
        for p in range(kernel[0]):
            for q in range(kernel[1]):
                left = q * dilation[1] - corner[1]
                low = max(0, (strides[1] - 1 - left) // strides[1])
                high = min(OW, (W - left + strides[1] - 1) // strides[1])
                for i in range(OH):
                    h = i * strides[0] - corner[0] + p * dilation[0]
                    if 0 <= h < H:
                        for c in range(C):
                            to = base + (h * W + left) * C + c
                            source = own + i * OW * K + (p * kernel[1] + q) * C + c
                            for j in range(low, high):
                                x[to + j * strides[1] * C] += area[source + j * K]
        finish(x, base, H * W, C, b, gate, code, alpha)

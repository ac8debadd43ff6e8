"""Pooling, a thread to an element of what is written: backward, each pixel asks the windows that hold it."""

from minicae.kernels.cuda import _curves
from minicae.kernels.cuda._curves import slope
from minicae.kernels.cuda._device import cuda, divide
from minicae.kernels.cuda._launch import device, kernel, launch


def maxpool2d_forward(x, y, argmax, window, strides, padding):
    """As `reference.pool.maxpool2d_forward`."""
    launch(_max, y.size, x, y, argmax, *x.shape[1:], *y.shape[1:3], *window, *strides, *padding[::2])


def maxpool2d_backward(dy, argmax, dx, window, strides, padding, through=None):
    """As `reference.pool.maxpool2d_backward`."""
    y, activation, alpha = through or (dy, "linear", 0.0)
    sizes = *dx.shape[1:], *dy.shape[1:3], *window, *strides, *padding[::2]
    launch(_max_backward, dx.size, dy, argmax, y, dx, *sizes, _curves.CODES[activation], alpha)


def avgpool2d_forward(x, y, window, strides, padding, count_padding):
    """As `reference.pool.avgpool2d_forward`."""
    sizes = *x.shape[1:], *y.shape[1:3], *window, *strides, *padding[::2]
    launch(_average, y.size, x, y, *sizes, bool(count_padding))


def avgpool2d_backward(dy, dx, window, strides, padding, count_padding, through=None):
    """As `reference.pool.avgpool2d_backward`."""
    sizes = *dx.shape[1:], *dy.shape[1:3], *window, *strides, *padding[::2]
    launch(_average_backward, dx.size, dy, dx, *sizes, bool(count_padding))
    _curves.pass_on(dx, through)


@device
def _window_of(base, p, stride, size):
    """The window that has the pixel in its row p, or -1: base = pixel + padding."""
    i = base - p
    if i >= 0:
        whole, rest = divide(i, stride)
        i = whole
        if rest != 0 or whole >= size:
            i = -1
    return i


@device
def _inside(start, window, size):
    """How many of the window's rows lie in the image."""
    first, last = start, start + window
    if first < 0:
        first = 0
    if last > size:
        last = size
    return last - first


@kernel("RRP" + 11 * "i")
def _max(x, y, argmax, H, W, C, OH, OW, PH, PW, sh, sw, top, left):
    at = cuda.grid(1)
    if at < y.size:
        rest, c = divide(at, C)
        rest, j = divide(rest, OW)
        n, i = divide(rest, OH)
        place = -1
        best = x.dtype.type(0)
        for p in range(PH):
            h = i * sh + p - top
            if h >= 0 and h < H:
                for q in range(PW):
                    w = j * sw + q - left
                    if w >= 0 and w < W:
                        v = x[((n * H + h) * W + w) * C + c]
                        # the first of equals stays; a NaN beats every number, and nothing beats it
                        if place < 0 or (not v <= best and best == best):
                            best = v
                            place = p * PW + q
        y[at] = best
        argmax[at] = place


@kernel("RPRR" + 12 * "i" + "r")
def _max_backward(dy, argmax, y, dx, H, W, C, OH, OW, PH, PW, sh, sw, top, left, code, alpha):
    at = cuda.grid(1)
    if at < dx.size:
        rest, c = divide(at, C)
        rest, w = divide(rest, W)
        n, h = divide(rest, H)
        total = alpha - alpha
        for p in range(PH):
            i = _window_of(h + top, p, sh, OH)
            if i >= 0:
                for q in range(PW):
                    j = _window_of(w + left, q, sw, OW)
                    if j >= 0:
                        o = ((n * OH + i) * OW + j) * C + c
                        if argmax[o] == p * PW + q:
                            total += dy[o] * slope(y[o], code, alpha, dy.dtype.type(1))
        dx[at] = total


@kernel("RR" + 12 * "i")
def _average(x, y, H, W, C, OH, OW, PH, PW, sh, sw, top, left, count_padding):
    at = cuda.grid(1)
    if at < y.size:
        rest, c = divide(at, C)
        rest, j = divide(rest, OW)
        n, i = divide(rest, OH)
        total = x.dtype.type(0)
        for p in range(PH):
            h = i * sh + p - top
            if h >= 0 and h < H:
                for q in range(PW):
                    w = j * sw + q - left
                    if w >= 0 and w < W:
                        total += x[((n * H + h) * W + w) * C + c]
        pixels = PH * PW
        if count_padding == 0:
            pixels = _inside(i * sh - top, PH, H) * _inside(j * sw - left, PW, W)
        y[at] = total / x.dtype.type(pixels)


@kernel("RR" + 12 * "i")
def _average_backward(dy, dx, H, W, C, OH, OW, PH, PW, sh, sw, top, left, count_padding):
    at = cuda.grid(1)
    if at < dx.size:
        rest, c = divide(at, C)
        rest, w = divide(rest, W)
        n, h = divide(rest, H)
        total = dx.dtype.type(0)
        for p in range(PH):
            i = _window_of(h + top, p, sh, OH)
            if i >= 0:
                for q in range(PW):
                    j = _window_of(w + left, q, sw, OW)
                    if j >= 0:
                        pixels = PH * PW
                        if count_padding == 0:
                            pixels = _inside(i * sh - top, PH, H) * _inside(j * sw - left, PW, W)
                        total += dy[((n * OH + i) * OW + j) * C + c] / dx.dtype.type(pixels)
        dx[at] = total

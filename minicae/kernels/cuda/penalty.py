"""Penalties on a code: sparse (L1, L2, Kullback-Leibler) and contractive."""

import numpy as np

from minicae.kernels.cuda._curves import CODES, bend, slope
from minicae.kernels.cuda._device import cuda, divide
from minicae.kernels.cuda._launch import device, kernel, launch, scratch
from minicae.kernels.cuda._reduce import columns, cost, sum_images
from minicae.kernels.cuda.memory import download
from minicae.later import Later

CLIP = 1e-7  # how near to 0 and 1 a mean activation may come


def l1_forward(z, per_image):
    """As `reference.penalty.l1_forward`."""
    sum_images(_L1, z, z, per_image, z.size // max(1, len(z)))


def l1_backward(z, dz, scale):
    """As `reference.penalty.l1_backward`."""
    launch(_sign, z.size, z, dz, scale)


def l2_forward(z, per_image):
    """As `reference.penalty.l2_forward`."""
    sum_images(_L2, z, z, per_image, z.size // max(1, len(z)))


def l2_backward(z, dz, scale):
    """As `reference.penalty.l2_backward`."""
    launch(_times, z.size, z, dz, 2 * scale)


def kl_sparsity_forward(z, mean, rho):
    """As `reference.penalty.kl_sparsity_forward`, with a number that comes later."""
    columns("sum", z, mean, divisor=len(z))
    launch(_clip, mean.size, mean, CLIP, 1 - CLIP)

    def divergence():
        m = download(mean).astype(np.float64)
        return float((rho * np.log(rho / m) + (1 - rho) * np.log((1 - rho) / (1 - m))).sum())

    return Later(mean, divergence)


def kl_sparsity_backward(mean, dz, rho, scale):
    """As `reference.penalty.kl_sparsity_backward`."""
    share = scale / max(1, len(dz))
    launch(_kl_backward, dz.size, mean, dz, mean.size, rho, 1 - rho, share, CLIP, 1 - CLIP)


def contractive_forward(y, w, per_image, activation, alpha):
    """As `reference.penalty.contractive_forward`."""
    N, F = y.shape
    norms, squares = scratch("norms", y.dtype, F), scratch("squares", y.dtype, N * F)
    columns("square", w, norms[:F])
    launch(_steepness, y.size, y, norms, squares, F, alpha, CODES[activation])
    sum_images(_SUM, squares, squares, per_image, F)


def contractive_backward(y, w, dy, dw, scale, activation, alpha):
    """As `reference.penalty.contractive_backward`."""
    N, F = y.shape
    code = CODES[activation]
    norms, slopes, sums = (scratch(use, y.dtype, size) for use, size in (("norms", F), ("slopes", N * F), ("sums", F)))
    columns("square", w, norms[:F])
    launch(_bend_down, y.size, y, norms, dy, slopes, F, 2 * scale, alpha, code)
    columns("square", slopes, sums[:F])
    launch(_weigh_down, w.size, w, sums, dw, F, 2 * scale)


@device
def _magnitude(z, same, n, i, size):
    return abs(z[n * size + i])


@device
def _energy(z, same, n, i, size):
    return z[n * size + i] * z[n * size + i]


@device
def _itself(z, same, n, i, size):
    return z[n * size + i]


_L1 = cost(_magnitude, "l1")
_L2 = cost(_energy, "l2")
_SUM = cost(_itself, "contractive")


@kernel("RRr")
def _sign(z, dz, scale):
    i = cuda.grid(1)
    if i < z.size:
        v = z[i]
        zero = scale - scale
        if v > zero:
            dz[i] = scale
        elif v < zero:
            dz[i] = -scale
        else:
            dz[i] = v * zero  # 0, or the NaN that v is


@kernel("RRr")
def _times(z, dz, factor):
    i = cuda.grid(1)
    if i < z.size:
        dz[i] = factor * z[i]


@kernel("Rrr")
def _clip(mean, low, high):
    d = cuda.grid(1)
    if d < mean.size:
        if mean[d] < low:
            mean[d] = low
        if mean[d] > high:
            mean[d] = high


@kernel("RRirrrrr")
def _kl_backward(mean, dz, D, rho, rest, share, low, high):
    i = cuda.grid(1)
    if i < dz.size:
        _, d = divide(i, D)
        m = mean[d]
        if m <= low or m >= high:
            dz[i] = mean.dtype.type(0)
        else:
            dz[i] = share * (rest / (mean.dtype.type(1) - m) - rho / m)


@kernel("RRRiri")
def _steepness(y, norms, squares, F, alpha, code):
    i = cuda.grid(1)
    if i < y.size:
        _, f = divide(i, F)
        s = slope(y[i], code, alpha, y.dtype.type(1))
        squares[i] = s * s * norms[f]


@kernel("RRRRirri")
def _bend_down(y, norms, dy, slopes, F, twice, alpha, code):
    i = cuda.grid(1)
    if i < y.size:
        _, f = divide(i, F)
        one = y.dtype.type(1)
        s = slope(y[i], code, alpha, one)
        slopes[i] = s
        dy[i] = twice * s * bend(y[i], code, alpha, one) * norms[f]


@kernel("RRRir")
def _weigh_down(w, sums, dw, F, twice):
    i = cuda.grid(1)
    if i < w.size:
        _, f = divide(i, F)
        dw[i] = twice * w[i] * sums[f]

"""Activations, element by element, and softmax, 32 threads to a row: each takes every 32nd number, all add what all found."""

import math

from minicae.kernels.cuda import _curves
from minicae.kernels.cuda._device import cuda
from minicae.kernels.cuda._launch import device, kernel, run

LANES, ROWS = 32, 4  # threads of a row, rows of a block
THREADS = LANES * ROWS


def activation_forward(x, y, activation, alpha):
    """As `reference.activation.activation_forward`."""
    _curves.forward(x, y, activation, alpha)


def activation_backward(dy, y, dpre, activation, alpha):
    """As `reference.activation.activation_backward`."""
    _curves.backward(dy, y, dpre, activation, alpha)


def softmax_forward(x, y):
    """As `reference.activation.softmax_forward`."""
    C = x.shape[x.ndim - 1]
    if x.size:
        run(_softmax, -(-x.size // (C * ROWS)), THREADS, x, y, C)


def softmax_backward(dy, y, dx):
    """As `reference.activation.softmax_backward`."""
    C = y.shape[y.ndim - 1]
    if y.size:
        run(_softmax_backward, -(-y.size // (C * ROWS)), THREADS, dy, y, dx, C)


@device
def _row_sum(sums, row):
    """What the threads of a row have found, added up in order."""
    total = sums[row]
    for other in range(row + 1, row + LANES):
        total += sums[other]
    return total


@kernel("RRi")
def _softmax(x, y, C):
    found = cuda.shared.array(THREADS, x.dtype)
    sums = cuda.shared.array(THREADS, x.dtype)
    t = cuda.threadIdx.x
    lane = t & (LANES - 1)
    row = t - lane  # where this row's threads begin
    start = (cuda.blockIdx.x * ROWS + row // LANES) * C
    end = min(start + C, x.size)
    largest = total = x.dtype.type(0)
    if start < end:
        largest = x[start]
    for c in range(start + lane, end, LANES):
        largest = max(largest, x[c])
    found[t] = largest
    cuda.syncthreads()
    for other in range(row, row + LANES):
        largest = max(largest, found[other])
    for c in range(start + lane, end, LANES):
        e = math.exp(x[c] - largest)  # a NaN makes the sum one, whichever number is the largest
        total += e
        y[c] = e
    sums[t] = total
    cuda.syncthreads()
    total = _row_sum(sums, row)
    for c in range(start + lane, end, LANES):
        y[c] = y[c] / total


@kernel("RRRi")
def _softmax_backward(dy, y, dx, C):
    sums = cuda.shared.array(THREADS, y.dtype)
    t = cuda.threadIdx.x
    lane = t & (LANES - 1)
    row = t - lane
    start = (cuda.blockIdx.x * ROWS + row // LANES) * C
    end = min(start + C, y.size)
    total = y.dtype.type(0)
    for c in range(start + lane, end, LANES):
        total += dy[c] * y[c]
    sums[t] = total
    cuda.syncthreads()
    total = _row_sum(sums, row)
    for c in range(start + lane, end, LANES):
        dx[c] = y[c] * (dy[c] - total)

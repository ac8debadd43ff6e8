"""What stands between a bad gradient and the weights: a look at whether it is finite, and limits to its size."""

import math

import numpy as np
from numba import prange

from minicae.kernels.cpu._jit import entry
from minicae.kernels.cpu._scratch import scratch
from minicae.kernels.cpu._vector import copy

CHUNK = 4096  # numbers that one thread looks at before the next chunk


def keep_if_finite(gradients, values, kept, others=()):
    """As `reference.guard.keep_if_finite`."""
    if not all(np.isfinite(one).all() for one in others):
        return False
    return bool(_keep_if_finite(2 * values.size, gradients, values, kept))


def clip_by_value(gradients, limit):
    """As `reference.guard.clip_by_value`."""
    _clip_by_value(gradients.size, gradients, float(limit))


def clip_by_norm(gradients, limit):
    """As `reference.guard.clip_by_norm`; the squares are added chunk by chunk, whatever the number of threads."""
    chunks = -(-gradients.size // CHUNK)
    _clip_by_norm(2 * gradients.size, gradients, float(limit), scratch(np.dtype(np.float64), chunks))


@entry
def _keep_if_finite(gradients, values, kept):
    size, bad = gradients.size, 0
    chunks = (size + CHUNK - 1) // CHUNK
    for chunk in prange(chunks):
        part = gradients[chunk * CHUNK : min(size, (chunk + 1) * CHUNK)]
        found = 0
        for i in range(part.size):
            found += 0 if abs(part[i]) < math.inf else 1
        bad += found
    if bad == 0:
        for chunk in prange(chunks):
            copy(values, chunk * CHUNK, kept, chunk * CHUNK, min(CHUNK, size - chunk * CHUNK))
    return bad == 0


@entry
def _clip_by_value(gradients, limit):
    top = gradients.dtype.type(limit)
    for i in prange(gradients.size):
        g = gradients[i]
        gradients[i] = top if g > top else -top if g < -top else g


@entry
def _clip_by_norm(gradients, limit, squares):
    size = gradients.size
    chunks = (size + CHUNK - 1) // CHUNK
    for chunk in prange(chunks):
        total = 0.0
        for i in range(chunk * CHUNK, min(size, (chunk + 1) * CHUNK)):
            total += float(gradients[i]) * float(gradients[i])
        squares[chunk] = total
    total = 0.0
    for chunk in range(chunks):
        total += squares[chunk]
    norm = math.sqrt(total)
    if norm > limit:
        factor = gradients.dtype.type(limit / norm)
        for i in prange(size):
            gradients[i] *= factor

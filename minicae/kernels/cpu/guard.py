"""What stands between a bad gradient and the weights."""

import math

from numba import prange

from minicae.kernels.cpu._jit import entry
from minicae.kernels.cpu._vector import copy

CHUNK = 4096  # numbers that one thread looks at before the next chunk


def keep_if_finite(gradients, values, kept):
    """As `reference.guard.keep_if_finite`."""
    return bool(_keep_if_finite(2 * values.size, gradients, values, kept))


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

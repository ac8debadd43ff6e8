"""What stands between a bad gradient and the weights: a look at whether it is finite, and limits to its size."""

import math

import numpy as np

from minicae.kernels.cuda._launch import BLOCK, cuda, float64, kernel, launch, run, scratch
from minicae.kernels.cuda.memory import download

BLOCKS = 64  # that look at the gradients


def keep_if_finite(gradients, values, kept):
    """As `reference.guard.keep_if_finite`; waits for the device, since it returns a bool."""
    blocks = min(BLOCKS, -(-gradients.size // BLOCK))
    if blocks == 0:
        return True
    found = scratch("finite", gradients.dtype, blocks)
    run(_look, blocks, BLOCK, gradients, found, blocks * BLOCK)
    launch(_keep, values.size, found, values, kept, blocks)
    return not download(found).any()


def clip_by_value(gradients, limit):
    """As `reference.guard.clip_by_value`."""
    launch(_clip, gradients.size, gradients, limit)


def clip_by_norm(gradients, limit):
    """As `reference.guard.clip_by_norm`; the squares are added block by block in float64, always in the same order."""
    blocks = min(BLOCKS, -(-gradients.size // BLOCK))
    if blocks:
        squares = scratch("squares", np.dtype(np.float64), blocks)
        run(_squares, blocks, BLOCK, gradients, squares, blocks * BLOCK)
        launch(_shorten, gradients.size, gradients, squares, blocks, limit)


@kernel("RRi")
def _look(gradients, found, threads):
    """found[block] = 1 if one of the block's numbers is infinite or NaN, else 0."""
    zero = gradients.dtype.type(0)
    if cuda.threadIdx.x == 0:
        found[cuda.blockIdx.x] = zero
    cuda.syncthreads()
    for i in range(cuda.grid(1), gradients.size, threads):
        if gradients[i] - gradients[i] != zero:
            found[cuda.blockIdx.x] = gradients.dtype.type(1)


@kernel("RRRi")
def _keep(found, values, kept, blocks):
    i = cuda.grid(1)
    if i < values.size:
        bad = found.dtype.type(0)
        for block in range(blocks):
            bad += found[block]
        if bad == found.dtype.type(0):
            kept[i] = values[i]


@kernel("Rr")
def _clip(gradients, limit):
    i = cuda.grid(1)
    if i < gradients.size:
        g = gradients[i]
        if g > limit:
            gradients[i] = limit
        elif g < -limit:
            gradients[i] = -limit


@kernel("RDi")
def _squares(gradients, squares, threads):
    """squares[block] = the sum of the squares of every threads-th number, from each of the block's threads on."""
    shared = cuda.shared.array(BLOCK, float64)
    t = cuda.threadIdx.x
    total = float64(0)
    for i in range(cuda.grid(1), gradients.size, threads):
        total += float64(gradients[i]) * float64(gradients[i])
    shared[t] = total
    cuda.syncthreads()
    half = BLOCK // 2
    while half > 0:
        if t < half:
            shared[t] += shared[t + half]
        cuda.syncthreads()
        half //= 2
    if t == 0:
        squares[cuda.blockIdx.x] = shared[0]


@kernel("RDir")
def _shorten(gradients, squares, blocks, limit):
    i = cuda.grid(1)
    if i < gradients.size:
        total = float64(0)
        for block in range(blocks):
            total += squares[block]
        if total > float64(limit) * float64(limit):
            gradients[i] *= gradients.dtype.type(float64(limit) / math.sqrt(total))

"""What stands between a bad gradient and the weights: a look at whether it is finite, and limits to its size."""

import math

import numpy as np

from minicae.kernels.cuda._device import cuda, float64
from minicae.kernels.cuda._launch import BLOCK, kernel, launch, run, scratch, verdict
from minicae.kernels.cuda.memory import download
from minicae.later import Later

BLOCKS = 64  # that look at the gradients


def keep_if_finite(gradients, values, kept, others=()):
    """As `reference.guard.keep_if_finite`, with a bool that comes later.

    What was found stays with the gradients: if they or the others are not finite, optimizers do nothing for them, until
    they are looked at again.
    """
    bad, blocks = verdict(gradients), min(BLOCKS, -(-gradients.size // BLOCK))
    found = scratch("finite", gradients.dtype, BLOCKS + len(others))
    if blocks:
        run(_look, blocks, BLOCK, gradients, found, 0, blocks * BLOCK)
    for place, other in enumerate(others, blocks):
        alike = other.dtype == gradients.dtype
        run(_look if alike else _look_at_costs, 1, BLOCK, other, found, place, BLOCK)
    run(_judge, 1, BLOCK, found, bad, blocks + len(others))
    launch(_keep, values.size, bad, values, kept)
    return Later(bad, lambda: not download(bad)[0])


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


def _looker(letters, name):
    @kernel(letters, name=name)
    def look(numbers, found, place, threads):
        """found[place + block] = 1 if one of the block's numbers is infinite or NaN, else 0."""
        at = place + cuda.blockIdx.x
        if cuda.threadIdx.x == 0:
            found[at] = found.dtype.type(0)
        cuda.syncthreads()
        for i in range(cuda.grid(1), numbers.size, threads):
            if not abs(numbers[i]) < math.inf:
                found[at] = found.dtype.type(1)

    return look


_look, _look_at_costs = _looker("RRii", "_look"), _looker("DRii", "_look_at_costs")


@kernel("RRi")
def _judge(found, bad, count):
    """bad[0] = 1 if one of the first `count` of `found` is not 0, else 0; one block."""
    zero = bad.dtype.type(0)
    if cuda.threadIdx.x == 0:
        bad[0] = zero
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, count, BLOCK):
        if found[i] != zero:
            bad[0] = bad.dtype.type(1)


@kernel("RRR")
def _keep(bad, values, kept):
    i = cuda.grid(1)
    if i < values.size and bad[0] == bad.dtype.type(0):
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

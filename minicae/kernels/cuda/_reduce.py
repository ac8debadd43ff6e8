"""Sums in a fixed order: of the columns of a matrix, in two stages, and of the elements of each image.

In the first stage a block adds up some rows of 32 columns, in the second one adds what the blocks found.
Which rows belong together follows from the shape alone, so neither the device nor the moment shows in the bits.
"""

from minicae.kernels.cuda._device import cuda, float64
from minicae.kernels.cuda._launch import device, kernel, run, scratch

LANES, DEEP = 32, 4  # columns of a block, rows that it reads at once
THREADS = LANES * DEEP
EIGHT = 8  # threads a column in the second stage
ADDERS = LANES * EIGHT
CHUNK = 64  # rows of a block at least
MOST = 128  # blocks a column at most


@device
def _itself(a, b, mean):
    return a


@device
def _square(a, b, mean):
    return a * a


@device
def _deviation(a, b, mean):
    return (a - mean) * (a - mean)


@device
def _product(a, b, mean):
    return (a - mean) * b


def _first_stage(term, name):
    @kernel("RRRRiii", name=name)
    def partial(a, b, mean, part, M, C, rows):
        """part[block, c] = the sum over the block's rows of term(a[m, c], b[m, c], mean[c])."""
        shared = cuda.shared.array(THREADS, a.dtype)
        t = cuda.threadIdx.x
        lane, deep = t & (LANES - 1), t // LANES
        c = cuda.blockIdx.x * LANES + lane
        total = a.dtype.type(0)
        if c < C:
            first = cuda.blockIdx.y * rows
            last = min(M, first + rows)
            middle = mean[c]
            for m in range(first + deep, last, DEEP):
                total += term(a[m * C + c], b[m * C + c], middle)
        shared[t] = total
        cuda.syncthreads()
        if deep == 0 and c < C:
            for d in range(1, DEEP):
                total += shared[d * LANES + lane]
            part[cuda.blockIdx.y * C + c] = total

    return partial


TERMS = {
    name: _first_stage(term, f"columns_{name}")
    for name, term in (("sum", _itself), ("square", _square), ("deviation", _deviation), ("product", _product))
}


@kernel("RRiir")
def _add_up(part, out, C, parts, divisor):
    """out[c] = the sum of part[:, c], divided: a thread adds every eighth, one of them what the eight have found."""
    shared = cuda.shared.array(ADDERS, part.dtype)
    t = cuda.threadIdx.x
    lane, deep = t & (LANES - 1), t // LANES
    c = cuda.blockIdx.x * LANES + lane
    total = part.dtype.type(0)
    if c < C:
        for k in range(deep, parts, EIGHT):
            total += part[k * C + c]
    shared[t] = total
    cuda.syncthreads()
    if deep == 0 and c < C:
        for d in range(1, EIGHT):
            total += shared[d * LANES + lane]
        out[c] = total / divisor


def add_up(part, out, parts, divisor=1.0):
    """out = the sum of `parts` arrays of its size that lie one behind the other, divided."""
    if out.size:
        run(_add_up, -(-out.size // LANES), ADDERS, part, out, out.size, parts, divisor)


def columns(term, a, out, b=None, mean=None, divisor=1.0):
    """out[c] = the sum of the term over all elements of a with channel c, its last axis, divided."""
    C = out.size
    if C == 0:
        return
    M = a.size // C
    rows = max(CHUNK, -(-M // MOST))
    parts = max(1, -(-M // rows))
    part = scratch("columns", a.dtype, parts * C)
    operands = a, a if b is None else b, out if mean is None else mean
    run(TERMS[term], (-(-C // LANES), parts), THREADS, *operands, part, M, C, rows)
    add_up(part, out, parts, divisor)


def cost(term, name):
    """A kernel for per_image[n] = the sum over i < size of term(a, b, n, i, size), in float64 as promised.

    The terms are of the real type; only adding them up is float64, the one place in a float32 kernel.
    """

    @kernel("RRDi", name=name)
    def total_of(a, b, per_image, size):
        shared = cuda.shared.array(THREADS, float64)
        t, n = cuda.threadIdx.x, cuda.blockIdx.x
        total = float64(0)
        for i in range(t, size, THREADS):
            total += float64(term(a, b, n, i, size))
        shared[t] = total
        cuda.syncthreads()
        half = THREADS // 2
        while half > 0:
            if t < half:
                shared[t] += shared[t + half]
            cuda.syncthreads()
            half //= 2
        if t == 0:
            per_image[n] = shared[0]

    return total_of


def sum_images(made, a, b, out, size):
    """Runs such a kernel, a block to an image."""
    if out.size:
        run(made, out.size, THREADS, a, b, out, size)

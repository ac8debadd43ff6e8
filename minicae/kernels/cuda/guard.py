"""What stands between a bad gradient and the weights."""

from minicae.kernels.cuda._launch import BLOCK, cuda, kernel, launch, run, scratch
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

"""What is done to a block of a product while it is still in the cache: bias and activation, or a slope on the way back."""

from minicae.kernels.cpu._jit import helper
from minicae.kernels.cpu._scalar import LINEAR, RELU, activate, slope
from minicae.kernels.cpu._vector import add


@helper
def finish(y, first, rows, columns, b, gate, code, alpha):
    """`rows` finished rows of y from `first` on: act(y + b), or, with a gate of y's size, y act'(gate).

    An empty b adds nothing. The gate is the output of the activation in front of a layer whose gradient y is.
    """
    if b.size:
        for r in range(rows):
            add(b, y[first + r * columns : first + (r + 1) * columns])
    block = y[first : first + rows * columns]
    if gate.size:
        bend(block, gate[first : first + rows * columns], code, alpha)
    else:
        apply(block, code, alpha)


@helper
def apply(block, code, alpha):
    """block = act(block)."""
    one = block.dtype.type(1)
    if code == RELU:
        for i in range(block.size):
            v = block[i]
            block[i] = one - one if v <= 0 else v
    elif code != LINEAR:
        for i in range(block.size):
            block[i] = activate(block[i], code, alpha, one)


@helper
def bend(block, gate, code, alpha):
    """block *= act'(gate)."""
    one = block.dtype.type(1)
    if code == RELU:
        for i in range(block.size):
            block[i] = one - one if gate[i] <= 0 else block[i]
    elif code != LINEAR:
        for i in range(block.size):
            block[i] *= slope(gate[i], code, alpha, one)

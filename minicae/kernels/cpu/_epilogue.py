"""What is done to a block of a product while it is still in the cache: bias and activation, or a slope on the way back."""

from minicae.kernels.cpu._jit import helper
from minicae.kernels.cpu._scalar import CODES, activate_run, bend_run
from minicae.kernels.cpu._scratch import empty
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
        bend_run(block, gate[first : first + rows * columns], code, alpha)
    else:
        activate_run(block, code, alpha)


def ending_of(ending, dtype):
    """(gate or None, activation, alpha) as `finish` takes it: a flat array, a code, a number of this dtype."""
    gate, activation, alpha = ending
    return empty(dtype) if gate is None else gate.reshape(-1), CODES[activation], dtype.type(alpha)

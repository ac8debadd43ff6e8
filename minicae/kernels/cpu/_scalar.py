"""The activations and their slopes for one number; every kernel that needs one calls these.

Python hands a kernel the activation's code, because a string cannot be compared inside a fast loop. `one` is 1 in the
array's own precision: a literal would turn the arithmetic of a float32 kernel into float64.
"""

import math

from minicae.kernels.cpu._jit import helper
from minicae.kernels.cpu._vector import add

LINEAR, RELU, LEAKY_RELU, ELU, SIGMOID, TANH, SOFTPLUS = range(7)
CODES = {
    "linear": LINEAR,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "elu": ELU,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "softplus": SOFTPLUS,
}


@helper
def activate(v, code, alpha, one):
    """act(v). Comparisons are written so that a NaN takes the branch that returns it."""
    if code == RELU:
        return one - one if v <= 0 else v
    if code == LEAKY_RELU:
        return alpha * v if v <= 0 else v
    if code == ELU:
        return alpha * math.expm1(v) if v <= 0 else v
    if code == SIGMOID:
        return one / (one + math.exp(-v))
    if code == TANH:
        return math.tanh(v)
    if code == SOFTPLUS:
        return (one - one if v <= 0 else v) + math.log1p(math.exp(-abs(v)))
    return v


@helper
def slope(y, code, alpha, one):
    """d act / d pre-activation, from the output y."""
    if code == RELU:
        return one - one if y <= 0 else one
    if code == LEAKY_RELU:
        return alpha if y <= 0 else one
    if code == ELU:
        return y + alpha if y <= 0 else one
    if code == SIGMOID:
        return y * (one - y)
    if code == TANH:
        return one - y * y
    if code == SOFTPLUS:
        return -math.expm1(-y)
    return one


@helper
def bend(y, code, alpha, one):
    """d slope / d y, from the output y: how the slope changes along the output."""
    if code == ELU:
        return one if y <= 0 else one - one
    if code == SIGMOID:
        return one - y - y
    if code == TANH:
        return -(y + y)
    if code == SOFTPLUS:
        return math.exp(-y)
    return one - one


@helper
def add_bias_and_activate(y, first, rows, columns, b, code, alpha):
    """y[first : first + rows * columns] = act(y + b), for `rows` finished rows; an empty b adds nothing."""
    one = y.dtype.type(1)
    if b.size:
        for r in range(rows):
            add(b, y[first + r * columns : first + (r + 1) * columns])
    block = y[first : first + rows * columns]
    if code == RELU:
        for i in range(block.size):
            v = block[i]
            block[i] = one - one if v <= 0 else v
    elif code != LINEAR:
        for i in range(block.size):
            block[i] = activate(block[i], code, alpha, one)

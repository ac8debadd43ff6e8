"""The activations and their slopes, for one number and for a run of them; every kernel that needs one calls these.

Python hands a kernel the activation's code, because a string cannot be compared inside a fast loop. `one` is 1 in the
array's own precision: a literal would turn the arithmetic of a float32 kernel into float64.
"""

from minicae.kernels.cpu._elementary import exp, expm1, log1p, tanh
from minicae.kernels.cpu._jit import helper

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
        return alpha * expm1(v) if v <= 0 else v
    if code == SIGMOID:
        e = exp(-abs(v))
        return (one if v > 0 else e) / (one + e)
    if code == TANH:
        return tanh(v)
    if code == SOFTPLUS:
        return (one - one if v <= 0 else v) + log1p(exp(-abs(v)))
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
        return -expm1(-y)
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
        return exp(-y)
    return one - one


@helper
def activate_run(y, code, alpha):
    """y = act(y). A loop for each activation, because a loop that asks anew for each number is no vector loop."""
    one = y.dtype.type(1)
    if code == RELU:
        for i in range(y.size):
            y[i] = activate(y[i], RELU, alpha, one)
    elif code == LEAKY_RELU:
        for i in range(y.size):
            y[i] = activate(y[i], LEAKY_RELU, alpha, one)
    elif code == ELU:
        for i in range(y.size):
            y[i] = activate(y[i], ELU, alpha, one)
    elif code == SIGMOID:
        for i in range(y.size):
            y[i] = activate(y[i], SIGMOID, alpha, one)
    elif code == TANH:
        for i in range(y.size):
            y[i] = activate(y[i], TANH, alpha, one)
    elif code == SOFTPLUS:
        for i in range(y.size):
            y[i] = activate(y[i], SOFTPLUS, alpha, one)


@helper
def bend_run(dy, y, code, alpha):
    """dy *= act', the slope at the output y."""
    one = y.dtype.type(1)
    if code == RELU:
        for i in range(y.size):
            dy[i] *= slope(y[i], RELU, alpha, one)
    elif code == LEAKY_RELU:
        for i in range(y.size):
            dy[i] *= slope(y[i], LEAKY_RELU, alpha, one)
    elif code == ELU:
        for i in range(y.size):
            dy[i] *= slope(y[i], ELU, alpha, one)
    elif code == SIGMOID:
        for i in range(y.size):
            dy[i] *= slope(y[i], SIGMOID, alpha, one)
    elif code == TANH:
        for i in range(y.size):
            dy[i] *= slope(y[i], TANH, alpha, one)
    elif code == SOFTPLUS:
        for i in range(y.size):
            dy[i] *= slope(y[i], SOFTPLUS, alpha, one)

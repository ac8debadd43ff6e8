"""The activations as functions of one number, and the two kernels that apply them to an array.

Activations are told apart by a code while the kernel runs, so that one compiled kernel serves all of them. Every test
reads "v <= 0, else ...", so that NaN falls through to the branch that keeps it.
"""

import math

from minicae.kernels.cuda._device import cuda
from minicae.kernels.cuda._launch import device, kernel, launch

CODES = {"linear": 0, "relu": 1, "leaky_relu": 2, "elu": 3, "sigmoid": 4, "tanh": 5, "softplus": 6}
LINEAR, RELU, LEAKY, ELU, SIGMOID, TANH = 0, 1, 2, 3, 4, 5
NONE = (None, "linear", 0.0)  # no activation in front of a layer


@device
def sigmoid(v, one):
    """1 / (1 + exp(-v)), with exp never given a positive number."""
    e = math.exp(-abs(v))
    top = one
    if v <= one - one:
        top = e
    return top / (one + e)


@device
def softplus(v, one):
    """log(1 + exp(v)), written so that exp cannot overflow."""
    positive = one - one
    if v > positive:
        positive = v
    return positive + math.log1p(math.exp(-abs(v)))


@device
def activate(v, code, alpha, one):
    """act(v)."""
    zero = one - one
    y = v
    if code == RELU:
        if v <= zero:
            y = zero
    elif code == LEAKY:
        if v <= zero:
            y = alpha * v
    elif code == ELU:
        if v <= zero:
            y = alpha * math.expm1(v)
    elif code == SIGMOID:
        y = sigmoid(v, one)
    elif code == TANH:
        y = math.tanh(v)
    elif code != LINEAR:
        y = softplus(v, one)
    return y


@device
def slope(y, code, alpha, one):
    """act'(v), told from y = act(v)."""
    left = y <= one - one
    s = one
    if code == RELU:
        if left:
            s = one - one
    elif code == LEAKY:
        if left:
            s = alpha
    elif code == ELU:
        if left:
            s = y + alpha
    elif code == SIGMOID:
        s = y * (one - y)
    elif code == TANH:
        s = one - y * y
    elif code != LINEAR:
        s = -math.expm1(-y)
    return s


@device
def bend(y, code, alpha, one):
    """How the slope changes along y."""
    zero = one - one
    b = zero
    if code == ELU:
        if y <= zero:
            b = one
    elif code == SIGMOID:
        b = one - y - y
    elif code == TANH:
        b = -y - y
    elif code > TANH:
        b = math.exp(-y)
    return b


@kernel("RRri")
def _activate(x, y, alpha, code):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = activate(x[i], code, alpha, x.dtype.type(1))


@kernel("RRRri")
def _bend_back(dy, y, dpre, alpha, code):
    i = cuda.grid(1)
    if i < dy.size:
        dpre[i] = dy[i] * slope(y[i], code, alpha, dy.dtype.type(1))


def forward(x, y, activation, alpha):
    """y = act(x); y may be x."""
    launch(_activate, x.size, x, y, alpha, CODES[activation])


def backward(dy, y, dpre, activation, alpha):
    """dpre = dy * act'(x); dpre may be dy."""
    launch(_bend_back, dy.size, dy, y, dpre, alpha, CODES[activation])


def pass_on(dx, through):
    """dx times the slopes of the activation in front of a layer, unless there is none."""
    if through is not None and through[1] != "linear":
        backward(dx, through[0], dx, *through[1:])

"""Activations: the bend after every linear map, without which a deep network would be one linear map.

Only activations whose slope can be told from their *output* are here, so that a layer stores y and forgets
the pre-activation. `_ACTIVATIONS` is the whole catalogue: a name, the function of the pre-activation x, its
slope as a function of y, and the derivative of that function of y (which the contractive penalty needs).

At a kink the left side counts: the slope of ReLU at 0 is 0. Every test reads "x <= 0, else ...", so that NaN,
which is neither, falls through to the branch that keeps it.
"""

import numpy as np


def _sigmoid(x):
    """1 / (1 + exp(-x)), with exp never given a positive number, so that it cannot overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x <= 0, e, 1) / (1 + e)


def _softplus(x):
    """log(1 + exp(x)), written so that exp cannot overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


# name: y from x, slope from y, d slope / dy from y; a is alpha
_ACTIVATIONS = {
    "linear": (
        lambda x, a: x,
        lambda y, a: np.ones_like(y),
        lambda y, a: np.zeros_like(y),
    ),
    "relu": (
        lambda x, a: np.where(x <= 0, 0, x),
        lambda y, a: np.where(y <= 0, 0, np.ones_like(y)),
        lambda y, a: np.zeros_like(y),
    ),
    "leaky_relu": (
        lambda x, a: np.where(x <= 0, a * x, x),
        lambda y, a: np.where(y <= 0, a, np.ones_like(y)),
        lambda y, a: np.zeros_like(y),
    ),
    "elu": (
        lambda x, a: np.where(x <= 0, a * np.expm1(np.minimum(x, 0)), x),
        lambda y, a: np.where(y <= 0, y + a, 1),
        lambda y, a: np.where(y <= 0, np.ones_like(y), 0),
    ),
    "sigmoid": (
        lambda x, a: _sigmoid(x),
        lambda y, a: y * (1 - y),
        lambda y, a: 1 - 2 * y,
    ),
    "tanh": (
        lambda x, a: np.tanh(x),
        lambda y, a: 1 - y * y,
        lambda y, a: -2 * y,
    ),
    "softplus": (
        lambda x, a: _softplus(x),
        lambda y, a: -np.expm1(-y),
        lambda y, a: np.exp(-y),
    ),
}


def _slope(y, activation, alpha):
    """dy/dx, told from y."""
    return _ACTIVATIONS[activation][1](y, alpha)


def _bend(y, activation, alpha):
    """How the slope changes along y: the derivative of `_slope`."""
    return _ACTIVATIONS[activation][2](y, alpha)


def activation_forward(x, y, activation, alpha):
    """y = act(x), element by element.

    Parameters
    ----------
    x : float32|float64, any shape
        The pre-activation.
    y : same dtype and shape, written
        May be x itself.
    activation : str
        "linear", "relu" (Nair & Hinton 2010), "leaky_relu" (Maas et al. 2013), "elu" (Clevert et al. 2016),
        "sigmoid", "tanh" or "softplus" (Dugas et al. 2001).
    alpha : float
        leaky_relu: the slope left of 0. elu: minus the limit at minus infinity. The others ignore it.
    """
    y[...] = _ACTIVATIONS[activation][0](x, alpha)


def activation_backward(dy, y, dpre, activation, alpha):
    """dpre = dy * act'(x), where the slope act'(x) is told from y = act(x).

    Parameters
    ----------
    dy : float32|float64, any shape
        Gradient of the output.
    y : same dtype and shape
        What `activation_forward` wrote.
    dpre : same dtype and shape, written
        Gradient of the pre-activation; may be dy itself.
    activation : str
        As in `activation_forward`.
    alpha : float
        As in `activation_forward`; not negative, or y would no longer tell the sign of x.
    """
    dpre[...] = dy * _slope(y, activation, alpha)


def _pass_on(dx, through):
    """dx times the slopes of the activation in front of a layer, where `through` = (its output, its name, its alpha)."""
    if through is not None:
        x, activation, alpha = through
        activation_backward(dx, x, dx, activation, alpha)


def softmax_forward(x, y):
    """y = exp(x) / sum(exp(x)) over the last axis: positive numbers that add up to 1.

    Subtracting the largest x first changes nothing on paper and keeps exp from overflowing.

    Parameters
    ----------
    x : float32|float64 (..., C)
    y : same dtype (..., C), written
    """
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    y[...] = e / e.sum(axis=-1, keepdims=True)


def softmax_backward(dy, y, dx):
    """dx = y * (dy - sum(dy * y)) over the last axis: dy/dx is diag(y) - y y'.

    Parameters
    ----------
    dy : float32|float64 (..., C)
    y : same dtype (..., C)
        What `softmax_forward` wrote.
    dx : same dtype (..., C), written
    """
    dx[...] = y * (dy - (dy * y).sum(axis=-1, keepdims=True))

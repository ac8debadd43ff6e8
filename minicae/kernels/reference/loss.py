"""Losses: how far a reconstruction y is from its target, one number an image.

Each `_forward` writes the *sum* over the elements of each image, in float64; whether these sums are then
averaged, and over what, is the caller's decision. It enters backward as `scale`, which multiplies every
gradient: 1 / (number of elements) for the usual mean, 1 / N for a sum an image.

Binary cross-entropy comes twice. From logits (a last layer without activation) it is exact for every number
and its gradient never dies; from probabilities (a sigmoid as last layer) logarithms have to be kept from
infinity.
"""

import numpy as np

from minicae.kernels.reference.activation import _sigmoid, _softplus


def _sum_per_image(values):
    """(N, ...) to (N,): the sum over all axes but the first, in float64."""
    return values.sum(axis=tuple(range(1, values.ndim)), dtype=np.float64)


def mse_forward(y, target, per_image):
    """per_image[n] = sum of (y - target)^2, the squared error.

    Parameters
    ----------
    y : float32|float64 (N, ...)
    target : same dtype (N, ...)
    per_image : float64 (N,), written
    """
    per_image[...] = _sum_per_image(np.square(y - target))


def mse_backward(y, target, dy, scale):
    """dy = scale * 2 * (y - target).

    Parameters
    ----------
    y : float32|float64 (N, ...)
    target : same dtype (N, ...)
    dy : same dtype (N, ...), written
    scale : float
        What the objective multiplies the sum of per_image with.
    """
    dy[...] = 2 * scale * (y - target)


def mae_forward(y, target, per_image):
    """per_image[n] = sum of |y - target|, the absolute error.

    Parameters
    ----------
    y : float32|float64 (N, ...)
    target : same dtype (N, ...)
    per_image : float64 (N,), written
    """
    per_image[...] = _sum_per_image(np.abs(y - target))


def mae_backward(y, target, dy, scale):
    """dy = scale * sign(y - target), with sign(0) = 0.

    Parameters
    ----------
    y : float32|float64 (N, ...)
    target : same dtype (N, ...)
    dy : same dtype (N, ...), written
    scale : float
        What the objective multiplies the sum of per_image with.
    """
    dy[...] = scale * np.sign(y - target)


def bce_forward(y, target, per_image):
    """per_image[n] = -sum of target * log(y) + (1 - target) * log(1 - y), in nats.

    Each logarithm is at least -100: a wrong certainty costs 100 nats instead of infinitely many, and a right
    one exactly 0.

    Parameters
    ----------
    y : float32|float64 (N, ...), in [0, 1]
        Probabilities.
    target : same dtype (N, ...), in [0, 1]
    per_image : float64 (N,), written
    """
    with np.errstate(divide="ignore"):  # log(0) is -inf, and meant
        log_y, log_not_y = np.maximum(np.log(y), -100), np.maximum(np.log1p(-y), -100)
    per_image[...] = -_sum_per_image(target * log_y + (1 - target) * log_not_y)


def bce_backward(y, target, dy, scale):
    """dy = scale * (y - target) / (y * (1 - y)), the denominator at least 1e-12.

    Parameters
    ----------
    y : float32|float64 (N, ...), in [0, 1]
        Probabilities.
    target : same dtype (N, ...), in [0, 1]
    dy : same dtype (N, ...), written
    scale : float
        What the objective multiplies the sum of per_image with.
    """
    dy[...] = scale * (y - target) / np.maximum(y * (1 - y), 1e-12)


def bce_logits_forward(y, target, per_image):
    """per_image[n] = sum of log(1 + exp(y)) - y * target: `bce_forward` of sigmoid(y), in nats, without its
    limits.

    Parameters
    ----------
    y : float32|float64 (N, ...)
        Logits: sigmoid(y) is the probability.
    target : same dtype (N, ...), in [0, 1]
    per_image : float64 (N,), written
    """
    per_image[...] = _sum_per_image(_softplus(y) - y * target)


def bce_logits_backward(y, target, dy, scale):
    """dy = scale * (sigmoid(y) - target): the denominator of `bce_backward` cancels against the sigmoid's
    slope.

    Parameters
    ----------
    y : float32|float64 (N, ...)
        Logits.
    target : same dtype (N, ...), in [0, 1]
    dy : same dtype (N, ...), written
    scale : float
        What the objective multiplies the sum of per_image with.
    """
    dy[...] = scale * (_sigmoid(y) - target)

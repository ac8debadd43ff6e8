"""Batch normalisation (Ioffe & Szegedy 2015): every channel gets mean 0 and variance 1 over the batch.

After that it gets a learned scale and shift, gamma and beta, so that nothing a channel could say is lost. The
channel is the last axis, and all other axes are averaged over, so the same functions serve images and
vectors. Statistics are a step of their own, because only training takes them from the batch; afterwards
running averages are used, which are mere constants to the gradient.
"""

import numpy as np


def batchnorm_statistics(x, mean, variance):
    """mean and variance of every channel, over all M other elements.

    Parameters
    ----------
    x : float32|float64 (..., C)
        Not empty.
    mean : same dtype (C,), written
    variance : same dtype (C,), written
        The biased one: sum((x - mean)^2) / M.
    """
    axes = tuple(range(x.ndim - 1))
    mean[...] = x.mean(axis=axes)
    variance[...] = np.square(x - mean).mean(axis=axes)


def batchnorm_follow(mean, variance, running_mean, running_variance, momentum):
    """running = momentum * running + (1 - momentum) * batch, for both statistics.

    Nothing is done where a variance is not finite: a bad batch stops training, and must leave no trace.

    Parameters
    ----------
    mean : float32|float64 (C,)
        Of the batch.
    variance : same dtype (C,)
    running_mean : same dtype (C,), updated
    running_variance : same dtype (C,), updated
    momentum : float
        Share of the running statistics that is kept.
    """
    if np.isfinite(variance).all():
        for running, batch in ((running_mean, mean), (running_variance, variance)):
            running += (1 - momentum) * (batch - running)


def batchnorm_forward(x, mean, variance, gamma, beta, y, epsilon):
    """y = gamma * x_hat + beta, where x_hat = (x - mean) / sqrt(variance + epsilon).

    Parameters
    ----------
    x : float32|float64 (..., C)
    mean : same dtype (C,)
    variance : same dtype (C,)
    gamma : same dtype (C,)
        Learned scale.
    beta : same dtype (C,)
        Learned shift.
    y : same dtype (..., C), written
    epsilon : float
        Keeps a constant channel from a division by zero.
    """
    y[...] = gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def batchnorm_backward(x, dy, mean, variance, gamma, dx, dgamma, dbeta, epsilon, training):
    """The gradients of `batchnorm_forward`, over the M elements of a channel:

        dgamma = sum(dy * x_hat)      dbeta = sum(dy)
        dx = gamma / sqrt(variance + epsilon) * (dy - dbeta / M - x_hat * dgamma / M)

    In training, mean and variance depend on x. The two subtracted terms are just that: x cannot shift or
    stretch a channel as a whole, since normalisation would undo it.

    Parameters
    ----------
    x : float32|float64 (..., C)
    dy : same dtype (..., C)
    mean : same dtype (C,)
    variance : same dtype (C,)
    gamma : same dtype (C,)
    dx : same dtype (..., C), written
    dgamma : same dtype (C,), written
    dbeta : same dtype (C,), written
    epsilon : float
        As in `batchnorm_forward`.
    training : bool
        False: mean and variance are constants, and the two terms vanish.
    """
    axes = tuple(range(x.ndim - 1))
    M = x.size // x.shape[-1]
    deviation = np.sqrt(variance + epsilon)
    x_hat = (x - mean) / deviation
    dgamma[...] = (dy * x_hat).sum(axis=axes)
    dbeta[...] = dy.sum(axis=axes)
    if training:
        dy = dy - dbeta / M - x_hat * dgamma / M
    dx[...] = gamma / deviation * dy

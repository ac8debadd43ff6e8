"""The heart of the variational autoencoder (Kingma & Welling 2014): a random code that still has a gradient.

The encoder gives two numbers for each of the d entries of the code, the mean mu and the logarithm of the
variance, `log_var`; they lie side by side in `stats` (N, 2d). Drawing z from N(mu, exp(log_var)) is written
as a shift and a stretch of noise that came from outside (the reparameterisation), so that z is an ordinary
function of mu and log_var. What is charged for straying from N(0, 1) is the Kullback-Leibler divergence, in
nats.

Mind the 2: the standard deviation is exp(log_var / 2), not exp(log_var).
"""

import numpy as np


def _halves(stats):
    """Views of mu and log_var, (N, d) each."""
    d = stats.shape[1] // 2
    return stats[:, :d], stats[:, d:]


def gaussian_sample_forward(stats, noise, z):
    """z = mu + exp(log_var / 2) * noise.

    Parameters
    ----------
    stats : float32|float64 (N, 2d)
        mu, then log_var.
    noise : same dtype (N, d)
        Drawn from N(0, 1).
    z : same dtype (N, d), written
    """
    mu, log_var = _halves(stats)
    z[...] = mu + np.exp(log_var / 2) * noise


def gaussian_sample_backward(dz, stats, noise, dstats):
    """dmu = dz and dlog_var = dz * noise * exp(log_var / 2) / 2.

    Parameters
    ----------
    dz : float32|float64 (N, d)
    stats : same dtype (N, 2d)
    noise : same dtype (N, d)
        The same as in `gaussian_sample_forward`.
    dstats : same dtype (N, 2d), written
    """
    _, log_var = _halves(stats)
    dmu, dlog_var = _halves(dstats)
    dmu[...] = dz
    dlog_var[...] = dz * noise * np.exp(log_var / 2) / 2


def gaussian_kl_forward(stats, per_image):
    """per_image[n] = sum of (mu^2 + exp(log_var) - 1 - log_var) / 2: KL(N(mu, exp(log_var)) || N(0, 1)), in
    nats.

    Parameters
    ----------
    stats : float32|float64 (N, 2d)
    per_image : float64 (N,), written
    """
    mu, log_var = _halves(stats)
    per_image[...] = 0.5 * (mu * mu + np.expm1(log_var) - log_var).sum(axis=1, dtype=np.float64)


def gaussian_kl_backward(stats, dstats, scale):
    """dmu = scale * mu and dlog_var = scale * (exp(log_var) - 1) / 2.

    Parameters
    ----------
    stats : float32|float64 (N, 2d)
    dstats : same dtype (N, 2d), written
    scale : float
        What the objective multiplies the sum of per_image with.
    """
    mu, log_var = _halves(stats)
    dmu, dlog_var = _halves(dstats)
    dmu[...] = scale * mu
    dlog_var[...] = scale * np.expm1(log_var) / 2

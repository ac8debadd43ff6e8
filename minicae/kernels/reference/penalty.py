"""Penalties: what keeps a code honest when it is large enough to merely copy its input.

L1 and L2 ask for small codes; KL sparsity asks that each unit be active a fraction rho of the time (Lee,
Ekanadham & Ng 2007; Ng 2011); the contractive penalty asks that the code barely move when the input does
(Rifai et al. 2011). Like a loss, a penalty has a forward, whose sums are float64, and a backward with a
`scale`; unlike a loss, it has no target.
"""

import numpy as np

from minicae.kernels.reference.activation import _bend, _slope
from minicae.kernels.reference.loss import _sum_per_image

_CLIP = 1e-7  # how near to 0 and 1 a mean activation may come


def l1_forward(z, per_image):
    """per_image[n] = sum of |z|.

    Parameters
    ----------
    z : float32|float64 (N, ...)
    per_image : float64 (N,), written
    """
    per_image[...] = _sum_per_image(np.abs(z))


def l1_backward(z, dz, scale):
    """dz = scale * sign(z), with sign(0) = 0.

    Parameters
    ----------
    z : float32|float64 (N, ...)
    dz : same dtype (N, ...), written
    scale : float
        What the objective multiplies the sum of per_image with.
    """
    dz[...] = scale * np.sign(z)


def l2_forward(z, per_image):
    """per_image[n] = sum of z^2.

    Parameters
    ----------
    z : float32|float64 (N, ...)
    per_image : float64 (N,), written
    """
    per_image[...] = _sum_per_image(z * z)


def l2_backward(z, dz, scale):
    """dz = scale * 2 * z.

    Parameters
    ----------
    z : float32|float64 (N, ...)
    dz : same dtype (N, ...), written
    scale : float
        What the objective multiplies the sum of per_image with.
    """
    dz[...] = 2 * scale * z


def kl_sparsity_forward(z, mean, rho):
    """sum over units of rho * log(rho / mean) + (1 - rho) * log((1 - rho) / (1 - mean)), in nats.

    The divergence between two coins: one that is heads a fraction rho of the time, and one like the unit.

    Parameters
    ----------
    z : float32|float64 (N, d), in [0, 1]
        Activities, as of sigmoid units; N at least 1.
    mean : same dtype (d,), written
        Mean activity of each unit over the batch, kept in [1e-7, 1 - 1e-7].
    rho : float, in (0, 1)
        Wanted mean activity.

    Returns
    -------
    float
    """
    mean[...] = np.clip(z.mean(axis=0), _CLIP, 1 - _CLIP)
    m = mean.astype(np.float64)
    return float((rho * np.log(rho / m) + (1 - rho) * np.log((1 - rho) / (1 - m))).sum())


def kl_sparsity_backward(mean, dz, rho, scale):
    """dz[n, j] = scale / N * ((1 - rho) / (1 - mean[j]) - rho / mean[j]), 0 where the mean was clipped.

    Every image is told the same.

    Parameters
    ----------
    mean : float32|float64 (d,)
        What `kl_sparsity_forward` wrote.
    dz : same dtype (N, d), written
    rho : float, in (0, 1)
    scale : float
        What the objective multiplies the returned sum with.
    """
    clipped = (mean <= mean.dtype.type(_CLIP)) | (mean >= mean.dtype.type(1 - _CLIP))
    dz[...] = np.where(clipped, 0, scale / len(dz) * ((1 - rho) / (1 - mean) - rho / mean))


def contractive_forward(y, w, per_image, activation, alpha):
    """per_image[n] = ||dy/dx||^2, the sum of the squares of the Jacobian of the dense layer y = act(x w + b).

    The Jacobian is dy[f]/dx[c] = slope(y[f]) * w[c, f], so the sum is that of slope(y[f])^2 * |w[:, f]|^2
    over f.

    Parameters
    ----------
    y : float32|float64 (N, F)
    w : same dtype (C, F)
    per_image : float64 (N,), written
    activation : str
        As in `activation_forward`.
    alpha : float
        As in `activation_forward`.
    """
    norms = np.square(w).sum(axis=0)
    per_image[...] = _sum_per_image(np.square(_slope(y, activation, alpha)) * norms)


def contractive_backward(y, w, dy, dw, scale, activation, alpha):
    """The gradient of scale * sum of per_image, as a function of y and of w:

        dy[n, f] = scale * 2 * slope(y[n, f]) * slope'(y[n, f]) * |w[:, f]|^2
        dw[c, f] = scale * 2 * w[c, f] * sum over n of slope(y[n, f])^2

    Since y depends on the weights too, dy still has to go back through the layer, which adds the rest to dw.

    Parameters
    ----------
    y : float32|float64 (N, F)
    w : same dtype (C, F)
    dy : same dtype (N, F), written
    dw : same dtype (C, F), written
    scale : float
        What the objective multiplies the sum of per_image with.
    activation : str
        As in `activation_forward`.
    alpha : float
        As in `activation_forward`.
    """
    slope, norms = _slope(y, activation, alpha), np.square(w).sum(axis=0)
    dy[...] = 2 * scale * slope * _bend(y, activation, alpha) * norms
    dw[...] = 2 * scale * w * np.square(slope).sum(axis=0)

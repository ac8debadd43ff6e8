"""What stands between a bad gradient and the weights: a look at whether it is finite, and limits to its size."""

import numpy as np


def keep_if_finite(gradients, values, kept, others=()):
    """kept = values, if no gradient is infinite or NaN: what training goes back to when the next update fails.

    Parameters
    ----------
    gradients : float32|float64 (P,)
    values : same dtype (P,)
    kept : same dtype (P,), written if the gradients are finite
    others : tuple of further arrays that must be finite too, of the same dtype or float64

    Returns
    -------
    bool
        Whether they are.
    """
    finite = all(bool(np.isfinite(one).all()) for one in (gradients, *others))
    if finite:
        kept[...] = values
    return finite


def clip_by_value(gradients, limit):
    """Each gradient is brought into -limit..limit.

    Parameters
    ----------
    gradients : float32|float64 (P,), updated
    limit : float, above 0
    """
    np.clip(gradients, -limit, limit, out=gradients)


def clip_by_norm(gradients, limit):
    """gradients *= limit / |gradients|, where their Euclidean norm is above limit (Pascanu et al. 2013).

    Parameters
    ----------
    gradients : float32|float64 (P,), updated
    limit : float, above 0
    """
    norm = np.sqrt(np.square(gradients, dtype=np.float64).sum())
    if norm > limit:
        gradients *= gradients.dtype.type(limit / norm)

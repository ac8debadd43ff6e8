"""What stands between a bad gradient and the weights."""

import numpy as np


def keep_if_finite(gradients, values, kept):
    """kept = values, if no gradient is infinite or NaN: what training goes back to when the next update fails.

    Parameters
    ----------
    gradients : float32|float64 (P,)
    values : same dtype (P,)
    kept : same dtype (P,), written if the gradients are finite

    Returns
    -------
    bool
        Whether they are.
    """
    finite = bool(np.isfinite(gradients).all())
    if finite:
        kept[...] = values
    return finite

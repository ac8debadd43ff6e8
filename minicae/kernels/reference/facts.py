"""What this backend runs on."""

import numpy as np


def facts():
    """Names and values, as text."""
    return {"numpy": np.__version__}


def compile_for(call):
    """Make whatever is compiled for this call, a function without arguments, in every version that there is of it.

    Returns
    -------
    int
        How many kernels were compiled; those that were there already do not count.
    """
    call()
    return 0

"""Whatever a user gives, as an array: nested lists that are ragged, text, objects and the like end here, in one line.

`ops.admit` goes on from here with what kernels want; labels, masks and scores are not for kernels, and need no more.
"""

import numpy as np

from minicae.errors import DataError


def array(value, name: str, kinds: str | None = None, wanted: str = "numbers") -> np.ndarray:
    """`value` as an array, a copy only where it must be; DataError where it is none, or of a dtype not among `kinds`.

    Parameters
    ----------
    value : array, nested list, or anything that NumPy converts; masked and sparse arrays are refused
    name : how errors call it
    kinds : letters of NumPy's `dtype.kind` that will do; None: any
    wanted : what those are, in words
    """
    if isinstance(value, np.ma.MaskedArray):
        raise DataError(f"{name} is a masked array: fill it first, for instance {name}.filled(0)")
    if hasattr(value, "toarray"):
        raise DataError(f"{name} is a sparse matrix: give {name}.toarray()")
    try:
        found = np.asarray(value)
    except Exception as error:  # whatever the object's own conversion raises
        raise DataError(f"{name} is no array: {error}") from None
    if kinds is not None and found.dtype.kind not in kinds:
        raise DataError(f"{name} has dtype {found.dtype}: {wanted} are wanted")
    return found

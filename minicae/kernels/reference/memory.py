"""Where arrays lie, and the kernels that hardly calculate: padding, cropping, labels, turning, adding, scaling.

The first three functions are no kernels. They are for backends whose arrays do not lie in the host's memory; here that is
where they lie.
"""

import numpy as np

from minicae.memory import aligned


def empty(shape, dtype):
    """A new array for the kernels of this backend, with arbitrary content.

    Parameters
    ----------
    shape : tuple of int
    dtype : numpy dtype

    Returns
    -------
    array
        What kernels take: it has `shape`, `size`, `dtype`, `ndim`, `reshape` and slices that are views.
    """
    return aligned(shape, dtype)


def upload(host, array):
    """array = the numbers of host.

    Parameters
    ----------
    host : numpy array, array of this backend, or one number for all
    array : array of this backend, same shape, written
    """
    np.copyto(array, host)


def download(array):
    """The numbers of an array of this backend, in a new NumPy array.

    Parameters
    ----------
    array : array of this backend

    Returns
    -------
    numpy array
    """
    return np.array(array)


def pad2d(x, y, padding):
    """y = x with zeros around it.

    Parameters
    ----------
    x : float32|float64 (N, H, W, C)
    y : same dtype (N, top + H + bottom, left + W + right, C), written
    padding : tuple of int, (top, bottom, left, right)
        In pixels.
    """
    top, _, left, _ = padding
    y[...] = 0
    y[:, top : top + x.shape[1], left : left + x.shape[2]] = x


def crop2d(x, y, cropping):
    """y = x without its edges: the adjoint of `pad2d`.

    Parameters
    ----------
    x : float32|float64 (N, top + H + bottom, left + W + right, C)
    y : same dtype (N, H, W, C), written
    cropping : tuple of int, (top, bottom, left, right)
        In pixels.
    """
    top, _, left, _ = cropping
    y[...] = x[:, top : top + y.shape[1], left : left + y.shape[2]]


def append_one_hot(x, labels, y):
    """y = x with the label of each sample, one-hot, behind its channels.

        y[n, ..., C + k] = 1 if the label of n, rounded, is k, else 0

    Parameters
    ----------
    x : float32|float64 (N, ..., C)
    labels : same dtype (N,)
        A label that is no class, a NaN too, gives zeros.
    y : same dtype (N, ..., C + classes), written
    """
    C = x.shape[-1]
    classes = np.arange(y.shape[-1] - C)
    hot = np.rint(labels)[:, None] == classes
    y[..., :C] = x
    y[..., C:] = hot.reshape(len(x), *[1] * (x.ndim - 2), classes.size)


def transpose(x, y):
    """y = x'.

    Parameters
    ----------
    x : float32|float64 (N, C)
    y : same dtype (C, N), written
    """
    y[...] = x.T


def add(x, other, y):
    """y = x + other.

    Parameters
    ----------
    x : float32|float64, any shape
    other : same dtype and shape
    y : same dtype and shape, written
        May be x itself.
    """
    np.add(x, other, out=y)


def scale(x, factor):
    """x = factor * x.

    Parameters
    ----------
    x : float32|float64, any shape, updated
    factor : float
    """
    np.multiply(x, factor, out=x)

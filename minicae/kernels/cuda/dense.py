"""The dense layer: a convolution of images of one pixel, and these are tiles of a matrix product."""

from minicae.kernels.cuda import _curves
from minicae.kernels.cuda._gemm import adjoint_map, forward_map, multiply
from minicae.kernels.cuda._reduce import columns
from minicae.kernels.cuda._weigh import correlate

ONE = ((1, 1), (0, 0, 0, 0), (1, 1))  # strides, padding, dilation
PIXEL = (1, 1)


def dense_forward(x, w, b, y, activation, alpha):
    """As `reference.dense.dense_forward`."""
    if multiply(_image(x), w, b, _image(y), PIXEL, forward_map(*ONE), False, None, activation, alpha):
        _curves.forward(y, y, activation, alpha)


def dense_backward(x, dpre, w, dw, db, dx, through=None):
    """As `reference.dense.dense_backward`."""
    dense_backward_weight(x, dpre, dw, db)
    dense_backward_input(dpre, w, dx, through)


def dense_backward_input(dpre, w, dx, through=None):
    """As `reference.dense.dense_backward_input`."""
    if multiply(_image(dpre), w, None, _image(dx), PIXEL, adjoint_map(*ONE), True, through, "linear", 0.0):
        _curves.pass_on(dx, through)


def dense_backward_weight(x, dpre, dw, db):
    """As `reference.dense.dense_backward_weight`."""
    correlate(_image(x), _image(dpre), dw, PIXEL, *ONE)
    if db is not None:
        columns("sum", dpre, db)


def _image(x):
    """(N, C) as (N, 1, 1, C): a view, made once for each array."""
    view = getattr(x, "_image", None)
    if view is None:
        view = x._image = x.reshape(len(x), 1, 1, x.shape[1])
    return view

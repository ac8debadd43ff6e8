"""A dense layer is a 1x1 convolution of images of one pixel: the same three matrix products."""

from minicae.kernels.cpu.conv import conv2d_backward_input, conv2d_backward_weight, conv2d_forward

_ONE = (1, 1)
_NO_PADDING = (0, 0, 0, 0)


def dense_forward(x, w, b, y, activation, alpha):
    """As `reference.dense.dense_forward`."""
    conv2d_forward(_image(x), w.reshape(1, 1, *w.shape), b, _image(y), _ONE, _NO_PADDING, _ONE, activation, alpha)


def dense_backward_input(dpre, w, dx, through=None):
    """As `reference.dense.dense_backward_input`."""
    through = through and (_image(through[0]), *through[1:])
    settings = _ONE, _NO_PADDING, _ONE, "im2col", through
    conv2d_backward_input(_image(dpre), w.reshape(1, 1, *w.shape), _image(dx), *settings)


def dense_backward_weight(x, dpre, dw, db):
    """As `reference.dense.dense_backward_weight`."""
    conv2d_backward_weight(_image(x), _image(dpre), dw.reshape(1, 1, *dw.shape), db, _ONE, _NO_PADDING, _ONE)


def _image(a):
    """(N, C) as (N, 1, 1, C)."""
    return a.reshape(len(a), 1, 1, a.shape[1])

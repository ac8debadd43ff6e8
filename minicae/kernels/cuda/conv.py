"""Convolution, forward and backward, and the transposed convolution: implicit im2col in `_gemm` and `_weigh`."""

from minicae.kernels.cuda import _curves
from minicae.kernels.cuda._gemm import adjoint_map, forward_map, multiply
from minicae.kernels.cuda._reduce import columns
from minicae.kernels.cuda._weigh import correlate


def conv2d_algorithm(x_shape, w_shape, strides, padding, dilation, dtype, wanted):
    """As `reference.conv.conv2d_algorithm`; there is one here."""
    return "im2col"


def conv2d_forward(x, w, b, y, strides, padding, dilation, activation, alpha, algorithm="im2col"):
    """As `reference.conv.conv2d_forward`; bias, ReLU and leaky ReLU are part of the product."""
    rule = forward_map(strides, padding, dilation)
    if multiply(x, w, b, y, w.shape[:2], rule, False, None, activation, alpha):
        _curves.forward(y, y, activation, alpha)


def conv2d_backward_input(dpre, w, dx, strides, padding, dilation, algorithm="im2col", through=None):
    """As `reference.conv.conv2d_backward_input`; each pixel of dx collects what is its own, so nothing is added twice."""
    rule = adjoint_map(strides, padding, dilation)
    if multiply(dpre, w, None, dx, w.shape[:2], rule, True, through, "linear", 0.0):
        _curves.pass_on(dx, through)


def conv2d_backward_weight(x, dpre, dw, db, strides, padding, dilation, algorithm="im2col"):
    """As `reference.conv.conv2d_backward_weight`."""
    correlate(x, dpre, dw, dw.shape[:2], strides, padding, dilation)
    if db is not None:
        columns("sum", dpre, db)


def conv2d_transpose_forward(x, w, b, y, strides, padding, dilation, activation, alpha, algorithm="im2col"):
    """As `reference.conv.conv2d_transpose_forward`."""
    rule = adjoint_map(strides, padding, dilation)
    if multiply(x, w, b, y, w.shape[:2], rule, True, None, activation, alpha):
        _curves.forward(y, y, activation, alpha)


def conv2d_transpose_backward_input(dpre, w, dx, strides, padding, dilation, algorithm="im2col", through=None):
    """As `reference.conv.conv2d_transpose_backward_input`."""
    rule = forward_map(strides, padding, dilation)
    if multiply(dpre, w, None, dx, w.shape[:2], rule, False, through, "linear", 0.0):
        _curves.pass_on(dx, through)


def conv2d_transpose_backward_weight(x, dpre, dw, db, strides, padding, dilation, algorithm="im2col"):
    """As `reference.conv.conv2d_transpose_backward_weight`."""
    correlate(dpre, x, dw, dw.shape[:2], strides, padding, dilation)
    if db is not None:
        columns("sum", dpre, db)

"""The dense layer: every output is a weighted sum of all inputs. One matrix product forward, two backward.

Start reading minicae's arithmetic here: a convolution is this layer applied to patches (conv.py), and the
three functions below are the pattern of every layer with weights. A layer is y = act(x w + b). Going back,
the gradient of the pre-activation, `dpre`, is known first (activation.py), and from it

    dx = dpre w'        what the layer below is told
    dw = x' dpre        what the weights are told
    db = sum of dpre    what the biases are told
"""

import numpy as np

from minicae.kernels.reference.activation import _pass_on, activation_forward


def dense_forward(x, w, b, y, activation, alpha):
    """y = act(x w + b).

    Parameters
    ----------
    x : float32|float64 (N, C)
    w : same dtype (C, F)
    b : same dtype (F,), or None
    y : same dtype (N, F), written
    activation : str
        As in `activation_forward`.
    alpha : float
        As in `activation_forward`.
    """
    np.matmul(x, w, out=y)
    if b is not None:
        y += b
    activation_forward(y, y, activation, alpha)


def dense_backward(x, dpre, w, dw, db, dx, through=None):
    """All three at once, as a layer in the middle of a network needs them: what the two functions below do.

    Parameters
    ----------
    x : float32|float64 (N, C)
    dpre : same dtype (N, F)
        Gradient of the pre-activation.
    w : same dtype (C, F)
    dw : same dtype (C, F), written
    db : same dtype (F,), written, or None
    dx : same dtype (N, C), written
    through : tuple (x, activation, alpha), or None
        As in `dense_backward_input`.
    """
    dense_backward_weight(x, dpre, dw, db)
    dense_backward_input(dpre, w, dx, through)


def dense_backward_input(dpre, w, dx, through=None):
    """dx = dpre w': each input hears from every output, through the weight it was sent with.

    Parameters
    ----------
    dpre : float32|float64 (N, F)
        Gradient of the pre-activation.
    w : same dtype (C, F)
    dx : same dtype (N, C), written
    through : tuple (x, activation, alpha), or None
        The activation in front of this layer: x, of the shape of dx, is its output, which forward read. dx is then
        multiplied by its slope at x, which makes it the gradient of the pre-activation.
    """
    np.matmul(dpre, w.T, out=dx)
    _pass_on(dx, through)


def dense_backward_weight(x, dpre, dw, db):
    """dw = x' dpre and db = sum of dpre over the batch.

    Parameters
    ----------
    x : float32|float64 (N, C)
    dpre : same dtype (N, F)
        Gradient of the pre-activation.
    dw : same dtype (C, F), written
    db : same dtype (F,), written, or None
    """
    np.matmul(x.T, dpre, out=dw)
    if db is not None:
        dpre.sum(axis=0, out=db)

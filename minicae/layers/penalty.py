"""Penalties on the code: the identity on the way forward, a charge on the loss, and its gradient on the way back.

A sparse autoencoder is an ordinary one whose encoder ends with one of these, and so is a contractive one (whose penalty is
in `contractive.py`). What a layer charges is in `layer.penalty`; the trainer adds it to the loss and reports it apart.
"""

import numpy as np

from minicae import shapes
from minicae.layers.base import Layer


class _Penalty(Layer):
    """y = x; backward adds the gradient of `penalty`."""

    def __init__(self, weight):
        self.weight = shapes.number(weight, "weight", 0)

    def build(self, input_shape):
        self.flops = 2 * shapes.count(input_shape)
        return input_shape

    def forward(self, x, training=False):
        x = self.admit(x)
        self.saved.x, self.saved.training = x, training
        if len(x):
            self.penalty = self.charge(x)
        return x

    def backward(self, dy):
        dy = self.admit_gradient(dy)
        if len(dy):
            own = self.buffer("own", dy.shape)
            self.charge_gradient(self.saved.x, own)
            self.kernels.add(dy, own, dy)
        return dy


class _Norm(_Penalty):
    """A sum over the code of each image, by the kernels called `_norm`."""

    def __init__(self, weight=1e-4):
        super().__init__(weight)

    def charge(self, x):
        per_image = self.buffer("per_image", (len(x),), np.float64)
        getattr(self.kernels, f"{self._norm}_forward")(x, per_image)
        return self.weight * float(per_image.mean())

    def charge_gradient(self, x, dx):
        getattr(self.kernels, f"{self._norm}_backward")(x, dx, self.weight / len(x))


class L1Penalty(_Norm):
    """weight * mean over images of sum |x|: many numbers of the code become exactly zero."""

    _norm = "l1"


class L2Penalty(_Norm):
    """weight * mean over images of sum x^2: the code stays small."""

    _norm = "l2"


class KLSparsity(_Penalty):
    """weight * sum over units of KL(target || mean activation over the batch), for codes in 0..1 (sigmoid).

        KL(t || m) = t log(t / m) + (1 - t) log((1 - t) / (1 - m))

    m is kept 1e-7 away from 0 and 1. Source: Ng, "Sparse autoencoder", CS294A (2011).

    Parameters
    ----------
    weight : at least 0
    target : the wanted mean activation of a unit, between 0 and 1
    """

    def __init__(self, weight=5e-3, target=0.1):
        super().__init__(weight)
        self.target = shapes.number(target, "target", 0, 1, without=(0, 1))

    def charge(self, x):
        x = x.reshape(len(x), -1)
        self.saved.mean = self.buffer("mean", (x.shape[1],))
        return self.weight * self.kernels.kl_sparsity_forward(x, self.saved.mean, self.target)

    def charge_gradient(self, x, dx):
        self.kernels.kl_sparsity_backward(self.saved.mean, dx.reshape(len(dx), -1), self.target, self.weight)

"""Penalties on the code: the identity on the way forward, a charge on the loss, and its gradient on the way back.

A sparse autoencoder is an ordinary one whose encoder ends with one of these, and so is a contractive one (whose penalty is
in `contractive.py`). What a layer charges is in `layer.penalty`; the trainer adds it to the loss and reports it apart.
"""

import numpy as np

from minicae import shapes
from minicae.errors import SettingError
from minicae.layers.base import Layer
from minicae.layers.noise import _Random
from minicae.layers.norm import BatchNormalization
from minicae.layers.pool import AveragePooling2D, MaxPooling2D
from minicae.layers.sampling import GaussianSampling
from minicae.layers.shape import Cropping2D, Flatten, Reshape, ZeroPadding2D
from minicae.layers.upsample import UpSampling2D

# what leaves numbers in 0..1 there, noise up to what it adds in training
MOVERS = Cropping2D, Flatten, Reshape, ZeroPadding2D, AveragePooling2D, MaxPooling2D, UpSampling2D


class _Penalty(Layer):
    """y = x; backward adds the gradient of `penalty`."""

    def __init__(self, weight):
        self.weight = shapes.number(weight, "weight", 0)

    @property
    def regularizes(self):
        return self.weight > 0

    def build(self, input_shape):
        self.flops = 2 * shapes.count(input_shape)
        return input_shape

    def forward(self, x, training=False):
        x = self.admit(x)
        self.saved.x, self.saved.training = x, training
        if len(x):
            self.charge(x)
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
        self.charge_mean(self.weight, per_image)

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

    Raises SettingError where the layer in front is known to leave 0..1: another activation than a sigmoid (or none at all),
    batch normalisation, sampling. Noise, and layers that only move numbers, may stand between.
    """

    def __init__(self, weight=5e-3, target=0.1):
        super().__init__(weight)
        self.target = shapes.number(target, "target", 0, 1, without=(0, 1))
        self._unfit = None

    def follow(self, before):
        front = next((one for one in reversed(before) if not isinstance(one, (_Random, _Penalty, *MOVERS))), None)
        bounded = front is None or front.slope is None or front.slope[0] == "sigmoid"
        self._unfit = None if bounded and not isinstance(front, (BatchNormalization, GaussianSampling)) else repr(front)

    def build(self, input_shape):
        if self._unfit is not None:
            raise SettingError(
                f"KLSparsity is for codes in 0..1, and {self._unfit} in front of it leaves that range: give the layer"
                ' activation="sigmoid", or put L.Sigmoid() between'
            )
        return super().build(input_shape)

    def charge(self, x):
        x = x.reshape(len(x), -1)
        self.saved.mean = self.buffer("mean", (x.shape[1],))
        self.penalty = self.weight * self.kernels.kl_sparsity_forward(x, self.saved.mean, self.target)

    def charge_gradient(self, x, dx):
        self.kernels.kl_sparsity_backward(self.saved.mean, dx.reshape(len(dx), -1), self.target, self.weight)

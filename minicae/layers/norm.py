"""Batch normalisation. Source: Ioffe and Szegedy (2015)."""

import math

from minicae import shapes
from minicae.layers.base import Layer


class BatchNormalization(Layer):
    """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, over all axes but the last.

    In training, mean and variance (biased) are those of the batch, and the running ones move towards them:
    running = momentum * running + (1 - momentum) * batch. Outside training the running ones are used, so an image's
    output does not depend on its batch.

    Parameters
    ----------
    momentum : share of the running statistics that a step keeps, in 0..1
    epsilon : added to the variance, above 0
    """

    def __init__(self, momentum=0.9, epsilon=1e-3):
        self.momentum = shapes.number(momentum, "momentum", 0, 1)
        self.epsilon = shapes.number(epsilon, "epsilon", 0, without=(0,))

    def build(self, input_shape):
        C = input_shape[-1]
        self.parameter("gamma", (C,), "ones")
        self.parameter("beta", (C,), "zeros")
        self.flops = 2 * math.prod(input_shape)
        return input_shape

    def prepare(self):
        for name, start in (("mean", 0), ("variance", 1)):
            self.states[name] = self.kernels.empty(self.gamma.shape, self.dtype)
            self.kernels.upload(start, self.states[name])

    def forward(self, x, training=False):
        x = self.admit(x)
        saved = self.saved
        saved.x, saved.training = x, training and len(x) > 0
        if saved.training:
            saved.mean, saved.variance = (
                self.buffer("mean", self.gamma.shape),
                self.buffer("variance", self.gamma.shape),
            )
            self.kernels.batchnorm_statistics(x, saved.mean, saved.variance)
            running = self.states["mean"], self.states["variance"]
            self.kernels.batchnorm_follow(saved.mean, saved.variance, *running, self.momentum)
        else:
            saved.mean, saved.variance = self.states["mean"], self.states["variance"]
        y = self.buffer("y", x.shape)
        self.kernels.batchnorm_forward(x, saved.mean, saved.variance, self.gamma, self.beta, y, self.epsilon)
        return y

    def backward(self, dy):
        dy = self.admit_gradient(dy)
        saved = self.saved
        dx = self.buffer("dx", dy.shape)
        gradients = self.dgamma, self.dbeta
        self.kernels.batchnorm_backward(
            saved.x, dy, saved.mean, saved.variance, self.gamma, dx, *gradients, self.epsilon, saved.training
        )
        return dx

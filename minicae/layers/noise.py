"""Corruption and dropout: random in training, the identity otherwise. A denoising autoencoder begins with one of these.

The target of training stays the clean input. Each layer draws from a stream of its own, so the same seed gives the same
noise whatever the number of threads. Source: Vincent et al., "Stacked Denoising Autoencoders" (2010).
"""

import math

import numpy as np

from minicae import shapes
from minicae.errors import ShapeError
from minicae.layers.base import Layer


class _Random(Layer):
    """Shared by layers that draw numbers: shape in is shape out."""

    random = True
    regularizes = True

    def build(self, input_shape):
        self.flops = math.prod(input_shape)
        return input_shape

    def forward(self, x, training=False):
        x = self.admit(x)
        self.saved.training = training
        if not training:
            return x
        y = self.buffer("y", x.shape)
        self.corrupt(x, y)
        return y

    def backward(self, dy):
        dy = self.admit_gradient(dy)
        if not self.saved.training:
            return dy
        dx = self.buffer("dx", dy.shape)
        self.correct(dy, dx)
        return dx

    def uniform(self, shape):
        """Fresh uniform numbers in [0, 1), kept for backward."""
        self.saved.draw = self.filled("draw", shape, lambda out: self.rng.random(out=out, dtype=self.dtype))
        return self.saved.draw


class Dropout(_Random):
    """Zero with probability `rate`, else x / (1 - rate), so that the mean stays. Srivastava et al. (2014).

    `rate` is the share dropped, in [0, 1).
    """

    def __init__(self, rate):
        self.rate = shapes.number(rate, "rate", 0, 1, without=(1,))

    @property
    def regularizes(self):
        return self.rate > 0

    def corrupt(self, x, y):
        self.kernels.dropout_forward(x, self.uniform(x.shape), y, self.rate, 1 / (1 - self.rate))

    def correct(self, dy, dx):
        self.kernels.dropout_backward(dy, self.saved.draw, dx, self.rate, 1 / (1 - self.rate))


class MaskingNoise(_Random):
    """Each number is set to zero with probability `corruption`; the others stay as they are (no rescaling)."""

    def __init__(self, corruption=0.3):
        self.corruption = shapes.number(corruption, "corruption", 0, 1)

    @property
    def regularizes(self):
        return self.corruption > 0

    def corrupt(self, x, y):
        self.kernels.dropout_forward(x, self.uniform(x.shape), y, self.corruption, 1.0)

    def correct(self, dy, dx):
        self.kernels.dropout_backward(dy, self.saved.draw, dx, self.corruption, 1.0)


class GaussianNoise(_Random):
    """x + stddev * n, n standard normal; stddev in units of x."""

    def __init__(self, stddev=0.3):
        self.stddev = shapes.number(stddev, "stddev", 0)

    @property
    def regularizes(self):
        return self.stddev > 0

    def corrupt(self, x, y):
        noise = self.filled("draw", x.shape, lambda out: self.rng.standard_normal(out=out, dtype=self.dtype))
        self.kernels.gaussian_noise_forward(x, noise, y, self.stddev)

    def backward(self, dy):
        return self.admit_gradient(dy)


class SaltAndPepperNoise(_Random):
    """Each number is set, with probability `corruption`, to `low` or to `high`, half the time each."""

    def __init__(self, corruption=0.3, low=0.0, high=1.0):
        self.corruption = shapes.number(corruption, "corruption", 0, 1)
        self.low, self.high = shapes.number(low, "low"), shapes.number(high, "high")

    @property
    def regularizes(self):
        return self.corruption > 0

    def corrupt(self, x, y):
        self.kernels.salt_pepper_forward(x, self.uniform(x.shape), y, self.corruption, self.low, self.high)

    def correct(self, dy, dx):
        self.kernels.salt_pepper_backward(dy, self.saved.draw, dx, self.corruption)


class OcclusionNoise(_Random):
    """One rectangle of each image, at a random place inside it, is set to `value`.

    `size` is one number or (height, width), in pixels.
    """

    def __init__(self, size=8, value=0.0):
        self.size, self._size = size, shapes.pair(size, "size")
        self.value = shapes.number(value, "value")

    def build(self, input_shape):
        if len(input_shape) != 3:
            raise ShapeError(f"OcclusionNoise takes images (H, W, C), got {input_shape}")
        if self._size[0] > input_shape[0] or self._size[1] > input_shape[1]:
            raise ShapeError(f"a rectangle of {self._size} pixels does not fit in an image of {input_shape[:2]}")
        return super().build(input_shape)

    def corrupt(self, x, y):
        room = [x.shape[axis + 1] - self._size[axis] + 1 for axis in range(2)]

        def draw(out):
            out[...] = self.rng.integers(0, room, out.shape)

        self.saved.corners = corners = self.filled("corners", (len(x), 2), draw, np.int32)
        self.kernels.occlusion_forward(x, corners, y, self._size, self.value)

    def correct(self, dy, dx):
        self.kernels.occlusion_backward(dy, self.saved.corners, dx, self._size)

"""Problems that only move numbers, each a few passes over memory: a copy of as many bytes is their bound."""

from dataclasses import dataclass

import numpy as np

from benchmarks.problems import Problem, double, random
from minicae.kernels import reference

EPSILON = 1e-5  # of batch normalisation


def _largest(want):
    return [np.abs(one).max(initial=0.0) for one in want]


@dataclass(frozen=True)
class Resizing(Problem):
    """Max pooling by 2, or upsampling by 2, between images (N, 2S, 2S, C) and (N, S, S, C); or the way back."""

    operation: str  # "maxpool2d_forward", "upsample_bilinear_backward" ...
    N: int
    S: int
    C: int

    @property
    def title(self):
        return f"{self.operation} {self.N}x{2 * self.S}x{2 * self.S}x{self.C}"

    @property
    def small(self):
        return self.N, self.S, self.S, self.C

    @property
    def large(self):
        return self.N, 2 * self.S, 2 * self.S, self.C

    @property
    def nbytes(self):
        """The large image, the small one and, for pooling, the place of each maximum."""
        return 4 * self.N * self.S**2 * self.C * (6 if self.operation.startswith("max") else 5)

    def arrays(self):
        if self.operation.startswith("maxpool"):
            return {"x": random(*self.large), "dy": random(*self.small, seed=1)}
        return {"x": random(*self.small), "dy": random(*self.large, seed=1)}

    def wanted(self):
        x, dy = double(self.arrays()).values()
        kernel = getattr(reference, self.operation)
        if self.operation.startswith("maxpool"):
            how, y, argmax, dx = ((2, 2), (2, 2), (0, 0, 0, 0)), np.empty_like(dy), np.empty(dy.shape, np.int32), x * 0
            reference.maxpool2d_forward(x, y, argmax, *how)
            reference.maxpool2d_backward(dy, argmax, dx, *how)
            want = [y if self.operation.endswith("forward") else dx]
        else:
            how = (2, 2) if "nearest" in self.operation else False
            want = [np.empty_like(dy if self.operation.endswith("forward") else x)]
            kernel(x if self.operation.endswith("forward") else dy, *want, how)
        return want, _largest(want)


@dataclass(frozen=True)
class Elementwise(Problem):
    """One pass, or a few, over arrays (N, S, S, C): activation, batch normalisation, loss, optimizer."""

    operation: str
    N: int
    S: int
    C: int

    PASSES = {  # arrays that must be read or written; statistics must be complete before they can be used
        "relu_forward": 2,
        "relu_backward": 3,
        "batchnorm_forward": 3,
        "batchnorm_backward": 5,
        "bce_logits": 3,
        "adam": 7,
    }

    @property
    def title(self):
        return f"{self.operation} {self.N}x{self.S}x{self.S}x{self.C}"

    @property
    def shape(self):
        return self.N, self.S, self.S, self.C

    @property
    def nbytes(self):
        return 4 * self.N * self.S**2 * self.C * self.PASSES[self.operation]

    def arrays(self):
        x, dy = random(*self.shape), random(*self.shape, seed=1)
        if self.operation == "relu_backward":
            x = np.maximum(x, 0)  # the output of the forward pass
        if self.operation == "bce_logits":
            dy = (dy > 0).astype(np.float32)  # the target
        if self.operation == "adam":
            x[...] = 0  # so that the first update is seen in full
        if self.operation.startswith("batchnorm"):
            return {"x": x, "dy": dy, "gamma": random(self.C, seed=2), "beta": random(self.C, seed=3)}
        return {"x": x, "dy": dy}

    def wanted(self):
        x, dy, *factors = double(self.arrays()).values()
        want = getattr(self, f"_{self.operation}")(x, dy, *factors)
        return want, _largest(want)

    def _relu_forward(self, x, dy):
        return [np.maximum(x, 0)]

    def _relu_backward(self, y, dy):
        return [dy * (y > 0)]

    def _batchnorm_forward(self, x, dy, gamma, beta):
        return [(x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + EPSILON) * gamma + beta]

    def _batchnorm_backward(self, x, dy, gamma, beta):
        deviation = np.sqrt(x.var((0, 1, 2)) + EPSILON)
        z = (x - x.mean((0, 1, 2))) / deviation
        return [gamma / deviation * (dy - dy.mean((0, 1, 2)) - z * (dy * z).mean((0, 1, 2)))]

    def _bce_logits(self, y, target):
        value = np.logaddexp(0, y) - target * y
        return [value.mean(), (1 / (1 + np.exp(-y)) - target) / y.size]

    def _adam(self, values, gradients):
        return [values - 0.001 * gradients / (np.abs(gradients) + 1e-8)]

"""The variational code: a mean and a variance for each image, and one sample from them."""

import numpy as np

from minicae import shapes
from minicae.errors import ShapeError
from minicae.layers.base import Layer


class GaussianSampling(Layer):
    """(N, 2d) = mu and log_var side by side, to z (N, d) = mu + exp(log_var / 2) * n, n standard normal.

    Outside training z is mu. Charges beta * mean over images of

        KL(N(mu, exp(log_var)) || N(0, 1)) = 0.5 * sum over d of mu^2 + exp(log_var) - 1 - log_var       nats

    With a loss of reduction="per_image" and beta = 1 the objective is the negative evidence lower bound. `warmth`, a number
    in 0..1 that `callbacks.BetaWarmup` moves, multiplies beta in training.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes" (2013); beta: Higgins et al. (2017).
    """

    random = True
    warmth = 1.0

    def __init__(self, beta=1.0):
        self.beta = shapes.number(beta, "beta", 0)

    @property
    def regularizes(self):
        return self.beta > 0

    def build(self, input_shape):
        if len(input_shape) != 1 or input_shape[0] % 2:
            raise ShapeError(f"GaussianSampling takes vectors of 2d numbers, mu then log_var, got {input_shape}")
        self.flops = 4 * input_shape[0]
        return (input_shape[0] // 2,)

    def forward(self, x, training=False):
        x = self.admit(x)
        saved = self.saved
        saved.x, saved.training = x, training
        z = self.buffer("z", (len(x), *self.output_shape))
        if len(x):
            per_image = self.buffer("per_image", (len(x),), np.float64)
            self.kernels.gaussian_kl_forward(x, per_image)
            self.charge_mean(self._beta, per_image)
        if training:
            noise = self.filled("noise", z.shape, lambda out: self.rng.standard_normal(out=out, dtype=self.dtype))
            self.kernels.gaussian_sample_forward(x, noise, z)
        else:
            d = self.output_shape[0]
            self.kernels.crop2d(x.reshape(len(x), 1, 2 * d, 1), z.reshape(len(x), 1, d, 1), (0, 0, 0, d))
        return z

    def backward(self, dy):
        dy = self.admit_gradient(dy)
        saved = self.saved
        dx, own = self.buffer("dx", saved.x.shape), self.buffer("own", saved.x.shape)
        noise = self.buffer("noise", dy.shape)
        if not saved.training:
            self.kernels.upload(0, noise)
        self.kernels.gaussian_sample_backward(dy, saved.x, noise, dx)
        self.kernels.gaussian_kl_backward(saved.x, own, self._beta / max(1, len(dy)))
        self.kernels.add(dx, own, dx)
        return dx

    @property
    def _beta(self):
        return self.beta * self.warmth if self.saved.training else self.beta

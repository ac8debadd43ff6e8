"""Activations as layers of their own. `Dense` and `Conv2D` take one as an argument, which saves a pass over memory."""

from minicae import ops, shapes
from minicae.layers.base import Layer


class _Elementwise(Layer):
    """y = act(x); the slope comes from y."""

    def build(self, input_shape):
        self._act, self._alpha = self.slope = self._named()
        self.flops = shapes.count(input_shape)
        return input_shape

    def forward(self, x, training=False):
        x = self.admit(x)
        self.saved.y = y = self.buffer("y", x.shape)
        self.kernels.activation_forward(x, y, self._act, self._alpha)
        return y

    def backward(self, dy, preactivation=False):
        """dx for dy; with `preactivation`, dy is already the gradient before the activation."""
        dy = self.admit_gradient(dy)
        if not preactivation:
            self.kernels.activation_backward(dy, self.saved.y, dy, self._act, self._alpha)
        return dy

    def backward_weights(self, dy, preactivation=False):
        """Nothing to do: no weights, and nobody needs dx."""


class Activation(_Elementwise):
    """Any activation by name, with its usual parameter: leaky_relu 0.01, elu 1."""

    def __init__(self, activation):
        self.activation = activation
        ops.activation_of(activation, None)

    def _named(self):
        return ops.activation_of(self.activation, None)


class ReLU(_Elementwise):
    """max(x, 0)."""

    def _named(self):
        return "relu", 0.0


class LeakyReLU(_Elementwise):
    """x where x > 0, negative_slope * x elsewhere. Maas et al. (2013)."""

    def __init__(self, negative_slope=0.01):
        self.negative_slope = ops.activation_of("leaky_relu", negative_slope)[1]

    def _named(self):
        return "leaky_relu", self.negative_slope


class ELU(_Elementwise):
    """x where x > 0, alpha * (exp(x) - 1) elsewhere. Clevert et al. (2015)."""

    def __init__(self, alpha=1.0):
        self.alpha = ops.activation_of("elu", alpha)[1]

    def _named(self):
        return "elu", self.alpha


class Sigmoid(_Elementwise):
    """1 / (1 + exp(-x))."""

    def _named(self):
        return "sigmoid", 0.0


class Tanh(_Elementwise):
    """tanh(x)."""

    def _named(self):
        return "tanh", 0.0


class Softplus(_Elementwise):
    """log(1 + exp(x))."""

    def _named(self):
        return "softplus", 0.0


class Softmax(Layer):
    """exp(x) / sum of exp(x), over the last axis."""

    def build(self, input_shape):
        self.flops = 3 * shapes.count(input_shape)
        return input_shape

    def forward(self, x, training=False):
        x = self.admit(x)
        self.saved.y = y = self.buffer("y", x.shape)
        self.kernels.softmax_forward(x, y)
        return y

    def backward(self, dy):
        dy = self.admit_gradient(dy)
        dx = self.buffer("dx", dy.shape)
        self.kernels.softmax_backward(dy, self.saved.y, dx)
        return dx

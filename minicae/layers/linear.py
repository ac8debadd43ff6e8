"""What dense and convolutional layers share: weights, a bias, and an activation that is part of the product."""

from minicae import initializers, ops
from minicae.errors import SettingError, ShapeError
from minicae.layers.base import Layer


class Linear(Layer):
    """y = act(A(x) + b), where A is linear in x and in w. Subclasses supply A and its two adjoints.

    No pre-activation is kept: the slope of every activation follows from y.
    """

    bends = True

    def __init__(self, activation, use_bias, kernel_initializer, bias_initializer):
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self._act, self._alpha = self.slope = ops.activation_of(activation, None)
        if not isinstance(use_bias, bool):
            raise SettingError(f"use_bias must be True or False, got {use_bias!r}")
        if kernel_initializer is not None:
            initializers.check(kernel_initializer, "kernel_initializer")
        initializers.check(bias_initializer, "bias_initializer")

    def declare(self, shape, units, fans):
        """Declare w of this shape, and b with one number a unit."""
        scheme = self.kernel_initializer or initializers.for_activation(self._act)
        self.parameter("w", shape, scheme, fans)
        if self.use_bias:
            self.parameter("b", (units,), self.bias_initializer, fans)
        else:
            self.b = self.db = None

    def forward(self, x, training=False):
        saved = self.saved
        # What the layer in front lends again has been admitted before; what a user gives may have changed since.
        if self.parameters is not None or saved.y is None or x is not saved.x or len(x) != len(saved.y):
            saved.x = x = self.admit(x)
            saved.y = self.buffer("y", (x.shape[0], *self.output_shape))
        self.apply(x, saved.y)
        return saved.y

    def backward(self, dy, preactivation=False, through=None):
        """dx for dy; with `preactivation`, dy is already the gradient before the activation.

        `through` = (activation, alpha) says that x is the output of that activation: dx is multiplied by its slope.
        """
        dy, saved = self._after_forward(dy), self.saved
        if not preactivation:
            self.bend(dy)
        if dy is not saved.dy:
            saved.dy, saved.dx = dy, self.buffer("dx", (dy.shape[0], *self.input_shape))
        self.adjoints(saved.x, dy, saved.dx, through and (saved.x, *through))
        return saved.dx

    def backward_weights(self, dy, preactivation=False):
        """The gradients of w and b; dy becomes the gradient before the activation."""
        dy = self._after_forward(dy)
        if not preactivation:
            self.bend(dy)
        self.weight_gradient(self.saved.x, dy)

    def _after_forward(self, dy):
        """dy as `admit_gradient` gives it, once x is there."""
        if self.saved.x is None:
            raise ShapeError("backward needs a forward pass before it, of this very layer").within(self.where)
        return self.admit_gradient(dy)

    def bend(self, dy):
        """Make dy the gradient before the activation."""
        if self._act != "linear":
            self.kernels.activation_backward(dy, self.saved.y, dy, self._act, self._alpha)

    def adjoints(self, x, dpre, dx, through):
        """The gradients of w, b and x."""
        self.weight_gradient(x, dpre)
        self.apply_adjoint(dpre, dx, through)

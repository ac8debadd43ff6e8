"""The dense layer: every output is a weighted sum of all inputs."""

from minicae import shapes
from minicae.errors import ShapeError
from minicae.layers.linear import Linear


class Dense(Linear):
    """y (N, units) = act(x (N, C) w + b).

    Parameters
    ----------
    units : number of outputs
    activation : "linear", "relu", "leaky_relu", "elu", "sigmoid", "tanh", "softplus"
    use_bias : whether b is added
    kernel_initializer : a name of `minicae.initializers`; None takes He for the ReLU family, Glorot otherwise
    bias_initializer : likewise, for b
    """

    extent = None

    def __init__(self, units, activation="linear", use_bias=True, kernel_initializer=None, bias_initializer="zeros"):
        super().__init__(activation, use_bias, kernel_initializer, bias_initializer)
        self.units = shapes.integer(units, "units")

    def build(self, input_shape):
        if len(input_shape) != 1:
            raise ShapeError(f"Dense takes vectors, got images or volumes {input_shape}: put Flatten() before it")
        C = input_shape[0]
        self.declare((C, self.units), self.units, (C, self.units))
        self.flops = 2 * C * self.units
        return (self.units,)

    def apply(self, x, y):
        self.kernels.dense_forward(x, self.w, self.b, y, self._act, self._alpha)

    def apply_adjoint(self, dpre, dx, through):
        self.kernels.dense_backward_input(dpre, self.w, dx, through)

    def weight_gradient(self, x, dpre):
        self.kernels.dense_backward_weight(x, dpre, self.dw, self.db)

    def adjoints(self, x, dpre, dx, through):
        self.kernels.dense_backward(x, dpre, self.w, self.dw, self.db, dx, through)

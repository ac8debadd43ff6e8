"""Tied weights: a decoder's layer that uses the weights of an encoder's layer, transposed.

There is one array of weights and one gradient, the sum of both uses. The array belongs to the layer in front, which is
where `get_weights`, the optimizer and the saved file have it; the tied layer owns nothing but its bias.
Source: Vincent et al., "Stacked Denoising Autoencoders" (2010), section 2.
"""

from fractions import Fraction

from minicae.errors import BackendError, SettingError, ShapeError
from minicae.layers.conv import Conv2D
from minicae.layers.dense import Dense
from minicae.layers.linear import Linear


class Tied(Linear):
    """y = act(A'(x) + b), where A' is the adjoint of the linear part A of `layer`: x w' for Dense, a transposed convolution
    for Conv2D. The output has the shape of that layer's input.

    Parameters
    ----------
    layer : the Dense or Conv2D layer in front of this one in the same model; once built, its name, such as "encoder[1]"
    activation, use_bias, bias_initializer : as in `Dense`; the bias is this layer's own

    Raises SettingError when it is built and `layer` is not in front of it, ShapeError where its input has another shape
    than the output of `layer`.
    """

    def __init__(self, layer, activation="linear", use_bias=True, bias_initializer="zeros"):
        super().__init__(activation, use_bias, None, bias_initializer)
        if not isinstance(layer, (str, Dense, Conv2D)):
            raise SettingError(f"Tied takes a Dense or Conv2D layer of the same model, or its name, got {layer!r}")
        self.layer = layer
        self._partner = None

    def follow(self, before):
        found = [one for one in before if one is self._partner or one is self.layer]
        found = found or [one for one in before if one.name == self.layer]
        self._partner = found[0] if found and isinstance(found[0], (Dense, Conv2D)) else None

    def build(self, input_shape):
        partner = self._partner
        if partner is None:
            raise SettingError(
                f"{self.layer!r} must be a Dense or Conv2D layer in front of this one, in the same model"
            )
        if input_shape != partner.output_shape:
            raise ShapeError(f"tied to {partner.where}, it takes {partner.output_shape}, got {input_shape}")
        if partner.at_home and self.away:
            raise BackendError(f"{partner.where} computes with NumPy, so its weights cannot be shared on a device")
        self.layer = partner.name
        if self.use_bias:
            units = partner.input_shape[-1]
            self.parameter("b", (units,), self.bias_initializer, (units, units))
        else:
            self.b = self.db = None
        self.flops, self._dense = partner.flops, isinstance(partner, Dense)
        self.extent = None if self._dense else tuple(-(-r // s) for r, s in zip(partner._reach, partner._strides))
        self.jump = (1, 1) if self._dense else tuple(Fraction(1, s) for s in partner._strides)
        self.chosen = "" if self._dense else partner.chosen
        return partner.input_shape

    def apply(self, x, y):
        w, partner, kernels = self._partner.w, self._partner, self.kernels
        if self._dense:
            turned = self.buffer("turned", w.shape[::-1])
            kernels.transpose(w, turned)
            kernels.dense_forward(x, turned, self.b, y, self._act, self._alpha)
        else:
            settings = partner._strides, partner._padding, partner._dilation, self._act, self._alpha, self.chosen
            kernels.conv2d_transpose_forward(x, w, self.b, y, *settings)

    def apply_adjoint(self, dpre, dx, through):
        partner, kernels = self._partner, self.kernels
        if self._dense:
            kernels.dense_backward_input(dpre, self.saved.buffers["turned"], dx, through)
        else:
            settings = partner._strides, partner._padding, partner._dilation, self.chosen
            kernels.conv2d_transpose_backward_input(dpre, partner.w, dx, *settings, through)

    def weight_gradient(self, x, dpre):
        partner, kernels = self._partner, self.kernels
        if self._dense:
            kernels.dense_backward_weight(x, dpre, self.buffer("dw", partner.w.shape[::-1]), self.db)
        else:
            settings = partner._strides, partner._padding, partner._dilation, self.chosen
            kernels.conv2d_transpose_backward_weight(x, dpre, self.buffer("dw", partner.w.shape), self.db, *settings)

    def settle(self, dx=None):
        total, own = self._partner.dw, self.saved.buffers["dw"]
        if self._dense:
            turned = self.buffer("dw turned", total.shape)
            self.kernels.transpose(own, turned)
            own = turned
        self.kernels.add(total, own, total)

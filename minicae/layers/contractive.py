"""The contractive penalty: the code should barely move when the input does. Source: Rifai et al., "Contractive
Auto-Encoders" (2011).

It is read off one dense layer, where the Jacobian has a formula, or estimated for an encoder of any layers: the encoder is
run a second time, on the input and on the input moved a little, and the movement of the code is charged. That is an
ordinary function of the weights, so its gradient is an ordinary backward pass through the layers of the encoder.
"""

import copy

import numpy as np

from minicae import shapes
from minicae.errors import BackendError, SettingError, ShapeError
from minicae.layers.dense import Dense
from minicae.layers.penalty import _Penalty
from minicae.layers.sampling import GaussianSampling


class ContractivePenalty(_Penalty):
    """weight * mean over images of ||d code / d input||^2 (Frobenius), J being the Jacobian of one layer or of the encoder.

        "exact"               ||J||^2 = sum over f of slope(y_f)^2 * sum over c of w[c, f]^2
        "finite_difference"   ||f(x + step * u) - f(x)||^2 / step^2,    u random signs, drawn anew for each image and step

    "exact" is for the Dense layer right before this one, J being the Jacobian of that layer alone. "finite_difference" is
    for all layers in front, from the input x of the model to the code f(x), with noise and dropout switched off; batch
    normalisation, in training, takes its statistics over x and the moved x. Its expectation is ||J||^2 + O(step^2),
    because E[u u'] = I and odd powers of u vanish; its variance, 2 (||J'J||^2 - sum of the squared diagonal of J'J), is
    averaged over the images and the steps. It costs two more passes through the encoder. Outside training u is the same
    at every call.

    Parameters
    ----------
    weight : at least 0
    estimator : "exact" or "finite_difference"
    step : how far the input is moved along each coordinate, in units of x, 1e-4 to 1; of "finite_difference" alone

    Raises ShapeError where "exact" does not follow a Dense layer; "finite_difference" needs a layer in front and takes no
    sampling there.
    """

    def __init__(self, weight=1e-3, estimator="exact", step=0.01):
        super().__init__(weight)
        if estimator not in ("exact", "finite_difference"):
            raise SettingError(f"estimator must be 'exact' or 'finite_difference', got {estimator!r}")
        self.estimator = estimator
        self.step = shapes.number(step, "step", 1e-4, 1)
        self.random = estimator == "finite_difference"
        self._front = []

    def follow(self, before):
        self._front = before

    def build(self, input_shape):
        if self.random:
            if not self._front or any(isinstance(layer, GaussianSampling) for layer in self._front):
                raise ShapeError(
                    "ContractivePenalty by finite differences needs an encoder in front of it, without sampling"
                )
        elif not self._front or not isinstance(self._front[-1], Dense):
            before = self._front[-1] if self._front else None
            raise ShapeError(
                f"ContractivePenalty must come right after a Dense layer, got {before!r} before it:"
                " take estimator='finite_difference'"
            )
        apart = next((layer for layer in self._front[0 if self.random else -1 :] if layer.at_home), None)
        if apart is not None and self.away:
            raise BackendError(f"{apart.where} computes with NumPy, so its Jacobian cannot be had on a device")
        return super().build(input_shape)

    def charge(self, x):
        if self.random:
            self._movement(self._front[0].saved.given)
            return
        layer, per_image = self._front[-1], self.buffer("per_image", (len(x),), np.float64)
        self.kernels.contractive_forward(x, layer.w, per_image, layer._act, layer._alpha)
        self.charge_mean(self.weight, per_image)

    def backward(self, dy):
        if not self.random:
            return super().backward(dy)
        dy = self.admit_gradient(dy)
        if len(dy):  # the charge is made in the second pass, and not from this layer's input
            self._moved_backward(self.weight / len(dy))
        return dy

    def charge_gradient(self, x, dx):
        layer = self._front[-1]
        self.saved.dw = self.buffer("dw", layer.w.shape)
        scale = self.weight / len(x)
        self.kernels.contractive_backward(x, layer.w, dx, self.saved.dw, scale, layer._act, layer._alpha)

    def settle(self, dx=None):
        if not len(self.saved.x):
            return
        if not self.random:
            self.kernels.add(self._front[-1].dw, self.saved.dw, self._front[-1].dw)
            return
        for _, double in self.saved.doubles:
            double.settle()
        for layer, double in self.saved.doubles:
            for declaration in layer.declared:
                total = getattr(layer, f"d{declaration.name}")
                self.kernels.add(total, getattr(double, f"d{declaration.name}"), total)
        if dx is not None:
            for half in (self.saved.dpair[: len(dx)], self.saved.dpair[len(dx) :]):
                self.kernels.add(dx, half, dx)

    def _movement(self, x):
        """Charge the mean over images of ||f(x + step * u) - f(x)||^2 / step^2; keep the differences."""
        N = len(x)
        rng = self.rng if self.saved.training else np.random.default_rng(0)

        def draw(out):
            rng.standard_normal(out=out, dtype=self.dtype)
            np.copysign(self.step, out, out=out)

        code = pair = self.buffer("pair", (2 * N, *x.shape[1:]))
        self.kernels.upload(x, pair[:N])
        self.kernels.add(x, self.filled("signs", x.shape, draw), pair[N:])
        for layer, double in self._doubled():
            for name, array in layer.states.items():
                self.kernels.upload(array, double.states[name])
            code = double.forward(code, training=self.saved.training and not layer.random)
        self.saved.change = change = self.buffer("change", (N, *code.shape[1:]))
        self.kernels.mse_backward(code[N:], code[:N], change, 0.5)  # the difference of the two
        per_image = self.buffer("per_image", (N,), np.float64)
        self.kernels.l2_forward(change, per_image)
        self.charge_mean(self.weight / self.step**2, per_image)

    def _moved_backward(self, scale):
        """Backward of scale * sum over images of ||f(x + step * u) - f(x)||^2 / step^2, through the doubles."""
        change = self.saved.change
        N = len(change)
        dpair = self.buffer("dcode", (2 * N, *change.shape[1:]))
        for half, sign in ((dpair[N:], 1), (dpair[:N], -1)):
            self.kernels.upload(change, half)
            self.kernels.scale(half, sign * 2 * scale / self.step**2)
        for _, double in reversed(self.saved.doubles):
            dpair = double.backward(dpair)
        self.saved.dpair = dpair

    def _doubled(self):
        """(layer, double) for the layers in front: a double has the same weights; memory, states, gradients are its own.

        Penalties are left out: they are the identity, and charge for themselves.
        """
        doubles = getattr(self.saved, "doubles", None)
        if doubles is None:
            doubles = [(layer, copy.copy(layer)) for layer in self._front if not isinstance(layer, _Penalty)]
            by_layer = {id(layer): double for layer, double in doubles}
            for layer, double in doubles:
                for name, value in vars(layer).items():
                    if id(value) in by_layer:  # another layer of the encoder
                        setattr(double, name, by_layer[id(value)])
                double._states = copy.deepcopy(layer.states)
                for declaration in layer.declared:
                    gradient = self.kernels.empty(declaration.shape, self.dtype)
                    self.kernels.upload(0, gradient)
                    setattr(double, f"d{declaration.name}", gradient)
            self.saved.doubles = doubles
        return doubles

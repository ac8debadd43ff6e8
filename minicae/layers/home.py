"""Layers that compute with NumPy in a model whose arrays lie on a device: other people's.

A chain runs such a layer through an `AtHome`, which downloads what goes in, uploads what comes out, and keeps the layer's
weights and gradients in step with those on the device. The layer itself notices nothing, but it costs the journeys.
"""

import numpy as np

from minicae.layers.base import Layer


class AtHome(Layer):
    """`layer`, which computes at home, as a step of a chain that does not; forward and backward as in `Layer`."""

    away = True

    def __init__(self, layer: Layer):
        self.layer = layer
        self.dtype, self.backend = layer.dtype, layer.backend
        self.slope, self.bends, self._declared = layer.slope, layer.bends, layer.declared

    def forward(self, x, training=False):
        for name, (value, _) in self.layer.there.items():
            np.copyto(getattr(self.layer, name), self.home(value))
        return self.lift("y", self.layer.forward(self.home(x), training))

    def backward(self, dy, **told):
        """dx for dy; told what a chain tells the layer."""
        dx = self.layer.backward(self.home(dy), **told)
        self._lift_gradients()
        return self.lift("dx", dx)

    def backward_weights(self, dy, **told):
        """As `backward`, without dx."""
        self.layer.backward_weights(self.home(dy), **told)
        self._lift_gradients()

    def settle(self, dx=None):
        """As `Layer.settle`, for what the layer adds to its own gradients."""
        self.layer.settle(None if dx is None else self.home(dx))
        self._lift_gradients()

    def _lift_gradients(self):
        for name, (_, gradient) in self.layer.there.items():
            self.kernels.upload(getattr(self.layer, f"d{name}"), gradient)

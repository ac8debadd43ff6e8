"""Callbacks for variational models."""

from minicae import shapes
from minicae.errors import SettingError
from minicae.layers.sampling import GaussianSampling
from minicae.training.callbacks.base import Callback


class BetaWarmup(Callback):
    """beta of every `GaussianSampling` grows from 0 to its own value: epoch k trains with beta * min(1, (k - 1) / epochs).

    k counts from 1 in each fit. Only training is warmed up: validation is charged all of beta. Source: Bowman et al.,
    "Generating Sentences from a Continuous Space" (2016).
    """

    def __init__(self, epochs=10):
        self.epochs = shapes.integer(epochs, "epochs")

    def on_train_begin(self):
        self._layers = [leaf for leaf in self.model.leaves() if isinstance(leaf, GaussianSampling)]
        if not self._layers:
            raise SettingError("BetaWarmup is for variational models: there is no GaussianSampling in this one")
        self._done = 0
        self._set(0.0)

    def on_epoch_end(self, epoch, logs):
        self._done += 1
        self._set(min(1.0, self._done / self.epochs))

    def on_train_end(self):
        self._set(1.0)

    def state(self):
        return {"done": self._done}

    def restore(self, state):
        self._done = state["done"]
        self._set(min(1.0, self._done / self.epochs))

    def _set(self, warmth):
        for layer in self._layers:
            layer.warmth = warmth

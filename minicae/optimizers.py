"""Optimizers: how the parameters move, given their gradients. Each is one kernel over one flat vector.

A learning rate is a number or a schedule (`minicae.schedules`). Moments and the count of steps are in `state` and `steps`;
they are made at the first step and saved with the model.

Every optimizer takes `clip_norm`, the largest Euclidean norm that the gradient of all weights together may have (a longer
one is shortened), and `clip_value`, the largest magnitude of a single one; clipped is what has been averaged over the batch,
by value first.
"""

import numpy as np

from minicae import kernels, shapes
from minicae.config import Configurable, pick
from minicae.errors import SettingError
from minicae.schedules import Schedule


class Optimizer(Configurable):
    """Base class. `step(parameters)` makes one update of `parameters.values` from `parameters.gradients`."""

    _moments = ()  # names of the state vectors
    backend = "cpu"

    def __init__(self, learning_rate, clip_norm=None, clip_value=None):
        if not isinstance(learning_rate, Schedule):
            learning_rate = shapes.number(learning_rate, "learning_rate", 0)
        self.learning_rate = learning_rate
        self.clip_norm = None if clip_norm is None else shapes.number(clip_norm, "clip_norm", 0, without=(0,))
        self.clip_value = None if clip_value is None else shapes.number(clip_value, "clip_value", 0, without=(0,))
        self.steps = 0
        self.state = {}

    @property
    def rate(self) -> float:
        """The learning rate of the next update."""
        rate = self.learning_rate
        return float(rate(self.steps) if isinstance(rate, Schedule) else rate)

    def step(self, parameters) -> None:
        """One update, in place."""
        values, gradients = parameters.values, parameters.gradients
        backend, rate = kernels.serving(self.backend, values), self.rate
        for name in self._moments:
            if name not in self.state or self.state[name].shape != values.shape:
                self.state[name] = backend.empty(values.shape, values.dtype)
                backend.upload(0, self.state[name])
        self.steps += 1
        if self.clip_value is not None:
            backend.clip_by_value(gradients, self.clip_value)
        if self.clip_norm is not None:
            backend.clip_by_norm(gradients, self.clip_norm)
        self._move(backend, values, gradients, rate)

    @property
    def progress(self) -> tuple:
        """Steps and state as they are, to be set again where a step turns out not to have been made."""
        return self.steps, dict(self.state)

    @progress.setter
    def progress(self, progress):
        self.steps, self.state = progress

    def reset(self) -> None:
        """Forget moments and steps."""
        self.steps, self.state = 0, {}

    def _move(self, backend, values, gradients, rate):
        raise NotImplementedError


class SGD(Optimizer):
    """velocity = momentum * velocity - rate * g; w += velocity (nesterov: w += momentum * velocity - rate * g).

    Before that w is multiplied by 1 - rate * weight_decay. Sources: Polyak (1964); Sutskever et al. (2013).
    """

    def __init__(
        self, learning_rate=0.01, momentum=0.0, nesterov=False, weight_decay=0.0, clip_norm=None, clip_value=None
    ):
        super().__init__(learning_rate, clip_norm, clip_value)
        self.weight_decay = shapes.number(weight_decay, "weight_decay", 0)
        self.momentum = shapes.number(momentum, "momentum", 0, 1, without=(1,))
        if not isinstance(nesterov, bool) or (nesterov and not momentum):
            raise SettingError(f"nesterov must be True or False, and True needs a momentum, got {nesterov!r}")
        self.nesterov = nesterov

    @property
    def _moments(self):
        return ("velocity",) if self.momentum else ()

    def _move(self, backend, values, gradients, rate):
        settings = rate, self.momentum, self.nesterov, self.weight_decay
        backend.sgd_step(values, gradients, self.state.get("velocity"), *settings)


class RMSprop(Optimizer):
    """v = rho v + (1 - rho) g^2; w -= rate * g / (sqrt(v) + epsilon). Source: Tieleman and Hinton (2012)."""

    _moments = ("mean_square",)

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, clip_norm=None, clip_value=None):
        super().__init__(learning_rate, clip_norm, clip_value)
        self.rho = shapes.number(rho, "rho", 0, 1, without=(1,))
        self.epsilon = shapes.number(epsilon, "epsilon", 0)

    def _move(self, backend, values, gradients, rate):
        backend.rmsprop_step(values, gradients, self.state["mean_square"], rate, self.rho, self.epsilon)


class Adam(Optimizer):
    """m and v, running means of g and g^2, corrected for their start at 0; w -= rate * m / (sqrt(v) + epsilon).

    Source: Kingma and Ba (2015).
    """

    _moments = ("m", "v")
    _decay = 0.0

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8, clip_norm=None, clip_value=None):
        super().__init__(learning_rate, clip_norm, clip_value)
        self.beta_1 = shapes.number(beta_1, "beta_1", 0, 1, without=(1,))
        self.beta_2 = shapes.number(beta_2, "beta_2", 0, 1, without=(1,))
        self.epsilon = shapes.number(epsilon, "epsilon", 0)

    def _move(self, backend, values, gradients, rate):
        betas = self.beta_1, self.beta_2, self.epsilon
        backend.adam_step(values, gradients, self.state["m"], self.state["v"], rate, *betas, self._decay, self.steps)


class AdamW(Adam):
    """Adam, after w has been multiplied by 1 - rate * weight_decay. Source: Loshchilov and Hutter (2019)."""

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        weight_decay=0.01,
        clip_norm=None,
        clip_value=None,
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, clip_norm, clip_value)
        self.weight_decay = shapes.number(weight_decay, "weight_decay", 0)

    @property
    def _decay(self):
        return self.weight_decay


class Nadam(Adam):
    """Adam with Nesterov's momentum, whose weight mu grows with the steps as in the paper. Source: Dozat (2016)."""

    def _mu(self, step):
        return self.beta_1 * (1 - 0.5 * 0.96 ** (step * 0.004))

    def _move(self, backend, values, gradients, rate):
        product = float(self.state.get("mu_product", np.ones(1))[0]) * self._mu(self.steps)
        self.state["mu_product"] = np.array([product])
        schedule = self._mu(self.steps), self._mu(self.steps + 1), product
        betas = self.beta_1, self.beta_2, self.epsilon
        backend.nadam_step(values, gradients, self.state["m"], self.state["v"], rate, *betas, self.steps, *schedule)


NAMES = {"sgd": SGD, "rmsprop": RMSprop, "adam": Adam, "adamw": AdamW, "nadam": Nadam}


def get(optimizer) -> Optimizer:
    """An optimizer by name ("sgd", "rmsprop", "adam", "adamw", "nadam") or as it is."""
    return pick(optimizer, NAMES, Optimizer, "optimizer")

"""How far a reconstruction is from its target, as one number, and the gradient that starts the way back.

Reduction is said once for all of them: "mean" divides by the number of images and of elements, as Keras and PyTorch do;
"per_image" sums over the elements of an image and divides by the number of images, so that a reconstruction loss and a
Kullback-Leibler penalty in nats can be added. Costs are summed in float64, image by image, so the value for a set of
images does not depend on how they were batched.
"""

import numpy as np

from minicae import kernels, ops
from minicae.config import Watched, pick
from minicae.errors import DataError, SettingError, ShapeError
from minicae.later import Later
from minicae.layers.base import Memory


class Loss(Watched):
    """Base class. `loss(y, target)` returns (value, dy); `per_image(y, target)` the cost of each image, (N,) float64.

    A loss of your own overrides `per_image`, and `step(y, target, fused=False)`, which gives (value, dy) unchecked.
    """

    backend = "cpu"
    _kernel = None

    def __init__(self, reduction="mean"):
        if reduction not in ("mean", "per_image"):
            raise SettingError(f"reduction must be 'mean' or 'per_image', got {reduction!r}")
        self.reduction = reduction
        self._memory = Memory()

    def __call__(self, y, target) -> tuple[float, np.ndarray]:
        """(value, dy) for outputs y and targets of the same shape (N, ...); dy is lent until the next call.

        Raises ShapeError where the shapes differ (nothing is broadcast) or the batch is empty, DataError for targets
        outside the range of the loss.
        """
        y, target = self._pair(y, target)
        if not len(y):
            raise ShapeError(f"{self!r}: the batch is empty", y=y, target=target)
        self.check_target(target)
        value, dy = self.step(y, target)
        return float(value), dy

    def per_image(self, y, target) -> np.ndarray:
        """The cost of each image, (N,) float64; its mean is the value of the loss."""
        return self._costs(*self._pair(y, target)).copy()

    def step(self, y, target, fused=False) -> tuple[float | Later, np.ndarray]:
        """As a call, unchecked; `fused` gives the gradient before the sigmoid that made y."""
        value, dy = self._value(y, target), self._buffer("dy", y)
        self._call("backward", y, target, dy, self._scale(y) / len(y))
        return value, dy

    def check_output(self, y) -> None:
        """DataError for outputs that this loss cannot be computed for."""

    def check_target(self, target) -> None:
        """DataError for targets that this loss cannot be computed for."""

    def to_data(self, y) -> np.ndarray:
        """The model's output as data: itself, or its sigmoid where the loss takes logits."""
        return y

    def baseline_output(self, mean) -> np.ndarray:
        """The output that stands for the constant image `mean`."""
        return mean

    def _pair(self, y, target):
        if not kernels.is_away(y):  # a model has made it
            y = ops.admit(y, None, "y")
            target = ops.admit(target, y.dtype, "target")
        if y.shape != target.shape:
            raise ShapeError(f"{self!r}: y and target must have the same shape", y=y, target=target)
        return y, target

    def _scale(self, y):
        return 1.0 if self.reduction == "per_image" else len(y) / max(1, y.size)

    def _costs(self, y, target):
        costs = self._memory.buffers.get("costs")
        if costs is None or len(costs) < len(y):
            costs = self._memory.buffers["costs"] = np.empty(len(y))
        costs = costs[: len(y)]
        if kernels.is_away(y):
            costs[...] = kernels.backend(self.backend).download(self._costs_there(y, target))
        else:
            self._call("forward", y, target, costs)
        costs *= self._scale(y)
        return costs

    def _costs_there(self, y, target):
        there = self._buffer("costs there", y, (len(y),), np.dtype(np.float64))
        self._call("forward", y, target, there)
        return there

    def _value(self, y, target):
        """The mean cost: a float, or what becomes one where y lies on a device."""
        if kernels.is_away(y):
            there, scale = self._costs_there(y, target), self._scale(y)
            return Later(there, lambda: _mean(kernels.backend(self.backend).download(there) * scale))
        return _mean(self._costs(y, target))

    def _call(self, direction, y, *arguments):
        getattr(kernels.serving(self.backend, y), f"{self._kernel}_{direction}")(y, *arguments)

    def _buffer(self, name, like, shape=None, dtype=None):
        """Memory where `like` lies, of its shape and dtype unless others are given."""
        shape, dtype, name = shape or like.shape, dtype or like.dtype, (name, kernels.is_away(like))
        held = self._memory.buffers.get(name)
        if held is None or len(held) < shape[0] or held.shape[1:] != shape[1:] or held.dtype != dtype:
            held = self._memory.buffers[name] = kernels.serving(self.backend, like).empty(shape, dtype)
        return held if len(held) == shape[0] else held[: shape[0]]

    def __getstate__(self):
        return {key: value for key, value in self.__dict__.items() if key != "_memory"}

    def __setstate__(self, state):
        self.__dict__.update(state, _memory=Memory())


class MeanSquaredError(Loss):
    """(y - target)^2, mean over every element (or summed over an image: reduction="per_image")."""

    _kernel = "mse"


class MeanAbsoluteError(Loss):
    """|y - target|, mean over every element; the gradient where they are equal is 0."""

    _kernel = "mae"


class BinaryCrossEntropy(Loss):
    """-(t log y + (1 - t) log(1 - y)), mean over every element, for targets t in 0..1.

    Parameters
    ----------
    from_logits : y are logits, the loss applies the sigmoid itself; False: y are probabilities. A model that ends in a
        sigmoid is trained as if from logits either way: the two slopes cancel to y - t, so that no saturated output
        stops learning.
    reduction : see the module

    Logarithms of probabilities are kept above -100, so that a wrong certainty costs 100.
    """

    def __init__(self, from_logits=False, reduction="mean"):
        super().__init__(reduction)
        if not isinstance(from_logits, bool):
            raise SettingError(f"from_logits must be True or False, got {from_logits!r}")
        self.from_logits = from_logits

    @property
    def _kernel(self):
        return "bce_logits" if self.from_logits else "bce"

    def step(self, y, target, fused=False):
        if not fused:
            return super().step(y, target)
        dy = self._buffer("dy", y)
        kernels.serving(self.backend, y).mse_backward(y, target, dy, self._scale(y) / len(y) / 2)
        return self._value(y, target), dy

    def _costs(self, y, target):
        if not kernels.is_away(y):
            self.check_output(y)
            return super()._costs(y, target)
        costs = super()._costs(y, target)
        if np.isnan(costs).any():  # what is no probability makes the kernel say so
            self.check_output(kernels.backend(self.backend).download(y))
        return costs

    def check_output(self, y):
        if not self.from_logits and y.size and (y.min() < 0 or y.max() > 1):
            raise DataError(
                f"{self!r} needs outputs in 0..1, got {y.min():.4g} to {y.max():.4g}: end the model with a sigmoid, or use"
                " loss='bce_logits'"
            )

    def check_target(self, target):
        low, high = float(target.min()), float(target.max())
        if not (low >= 0 and high <= 1):
            raise DataError(
                f"{self!r} needs targets in 0..1, got {low:.4g} to {high:.4g}: scale the data, or use loss='mse'"
            )

    def to_data(self, y):
        if not self.from_logits:
            return y
        return ops.activation_forward(y, "sigmoid", backend=self.backend)

    def baseline_output(self, mean):
        if not self.from_logits:
            return mean
        mean = np.clip(mean, 1e-6, 1 - 1e-6)
        return np.log(mean / (1 - mean))


def _mean(costs):
    return float(np.add.reduce(costs)) / len(costs)


NAMES = {
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "bce": BinaryCrossEntropy,
    "bce_logits": lambda: BinaryCrossEntropy(from_logits=True),
}


def get(loss) -> Loss:
    """A loss by name ("mse", "mae", "bce", "bce_logits") or as it is."""
    return pick(loss, NAMES, Loss, "loss")

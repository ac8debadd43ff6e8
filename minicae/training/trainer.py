"""Training: forward, compare, backward, move. `Trainer.step` is the definition; the loop around it is in `loop.py`."""

import copy
import math
import threading

import numpy as np

from minicae import shapes
from minicae.errors import DataError, DivergedError, SettingError, ShapeError
from minicae.training.away import Steps
from minicae.training.batches import Batches, Images
from minicae.training.budget import require_for_evaluation, require_for_training
from minicae.training.history import History, Scores
from minicae.training.loop import Loop, checked
from minicae.training.progress import Progress

_one_at_a_time = threading.Lock()  # held while a training is begun


class Trainer:
    """A model with a loss and an optimizer.

    `fused` says that the model ends in a sigmoid and the loss is a cross-entropy of probabilities: their slopes cancel,
    so the gradient is taken before the sigmoid.
    """

    def __init__(self, model, loss, optimizer, metrics=()):
        self.model, self.loss, self.optimizer, self.metrics = model, copy.copy(loss), optimizer, list(metrics)
        self.loop = None
        self.moved()
        last = next(reversed(model.leaves()), None)
        ends_in_sigmoid = last is not None and last.slope is not None and last.slope[0] == "sigmoid"
        self.fused = ends_in_sigmoid and getattr(loss, "from_logits", None) is False
        self.fitting = False

    def __getstate__(self):
        """What a copy takes along: nothing of a training under way, whose data and callbacks are not the copy's."""
        own = {"fitting": False, "loop": None, "_output": None, "_gathered": None, "_there": None}
        return vars(self) | own

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._there = Steps(self)

    def step(self, x, target, share=1.0, ends=True) -> tuple[float, float]:
        """One update: forward, compare, backward, move. Returns (reconstruction, penalty); their sum is the objective.

        An update can be made of several batches, whose gradients are added: `share` is this batch's part of its samples,
        `ends` whether it is the last of it.
        """
        if self.model.away:
            return self._there.step(x, target, share, ends)
        model, parameters = self.model, self.model.parameters
        x_hat = self._output = model.forward(x, training=True)
        reconstruction, dx_hat = self.loss.step(x_hat, target, self.fused)
        penalty = model.penalty
        if not math.isfinite(reconstruction + penalty):
            raise self.diverged(f"the loss is {reconstruction + penalty}")
        model.backward_weights(dx_hat, self.fused, own=True)
        if share < 1:
            self.gather(parameters.gradients, share, ends)
        if ends:
            kept = parameters.empty() if self.last_good is None else self.last_good
            if not model.kernels.keep_if_finite(parameters.gradients, parameters.values, kept):
                raise self.diverged("a gradient is not finite")
            self.last_good = kept
            self.optimizer.step(parameters)
        return reconstruction, penalty

    def check_weights(self) -> None:
        """DivergedError, the last update taken back, where a weight is no longer finite: what the next step would meet."""
        if not np.isfinite(self.model.home(self.model.parameters.values)).all():
            raise self.diverged("a weight is not finite after the update")

    def gather(self, gradients, share, ends):
        """Add one batch's part to the update's gradient, which is handed over when it `ends`."""
        kernels = self.model.kernels
        if self._gathered is None:
            self._gathered = self.model.parameters.zeros()
        kernels.scale(gradients, share)
        kernels.add(self._gathered, gradients, gradients if ends else self._gathered)
        if ends:
            kernels.scale(self._gathered, 0.0)

    @property
    def _room(self):
        """What makes memory for batches."""
        return self.model.kernels.pinned if self.model.away else np.empty

    def lifted(self, x, target):
        """A batch where the model computes: on a device, in memory that is used again for the next one."""
        if not self.model.away:
            return x, target
        there = self.model.lift("batch", x)
        return there, there if target is x else self.model.lift("target", target)

    def measure(self, target, sums: dict) -> None:
        """Add each metric, summed over the images of the batch that `step` has seen last, to sums[name]."""
        for name, metric in self.metrics:
            y = self.loss.to_data(self.model.home(self._output))
            sums[name] += float(_measured(name, metric, y, target).sum())

    def fit(
        self,
        x,
        y,
        epochs,
        batch_size,
        validation_data,
        validation_split,
        shuffle,
        callbacks,
        verbose,
        allow_nonfinite,
        accumulate=1,
        resumption=None,
    ) -> History:
        """Check what is given, then loop over the epochs; arguments as in `Sequential.fit`.

        `resumption`, if any, has the `progress` of an earlier fit, and `restore()`.
        """
        with _one_at_a_time:
            if self.fitting:
                raise SettingError(
                    "this model is being fitted already, by another thread or around this call: fit a copy"
                )
            self.fitting = True
        try:
            epochs, batch_size = shapes.integer(epochs, "epochs", 0), shapes.integer(batch_size, "batch_size")
            if verbose not in (0, 1, 2):
                raise SettingError(f"verbose must be 0, 1 or 2, got {verbose!r}")
            if not isinstance(shuffle, (bool, np.bool_)):
                raise SettingError(f"shuffle must be True or False, got {shuffle!r}")
            settings = {"accumulate": shapes.integer(accumulate, "accumulate"), "shuffle": bool(shuffle)}
            x, y = self.admit(x, y, "x", "y", allow_nonfinite)
            x, y, validation = self._split(x, y, validation_data, validation_split, allow_nonfinite)
            settings |= {"samples": len(x), "batch_size": batch_size}
            callbacks = checked(callbacks)
            require_for_training(self, min(batch_size, len(x)))
            self.forget()
            if resumption is None:
                progress = Progress(**settings, history=History(self.baseline(y if y is not None else x)))
            else:
                progress = resumption.progress
                metrics = [name for name, _ in self.metrics]
                progress.check(settings, epochs, metrics, validation is not None, callbacks)
                resumption.restore()
            batches = Batches(x, y, batch_size, self.model.rng if shuffle else None, self._room)
            self.model.history = progress.history
            self.loop = Loop(self, batches, validation, epochs, callbacks, verbose, progress)
            self.loop.run()
        finally:
            self.fitting, self.loop = False, None
        return progress.history

    def evaluate(self, x: Images, y: Images | None, batch_size: int) -> Scores:
        """Loss, its parts and the metrics over all samples. Costs are kept image by image, so batches leave no trace."""
        n = len(x)
        if not n:
            raise DataError("there are no samples to evaluate")
        require_for_evaluation(self.model, min(batch_size, n))
        costs, penalty = np.empty(n), 0.0
        values = {name: np.empty(n) for name, _ in self.metrics}
        for first, (batch, target) in zip(range(0, n, batch_size), Batches(x, y, batch_size, None, self._room)):
            rows = slice(first, first + len(batch))
            there, wanted = self.lifted(batch, target)
            x_hat = self.model.forward(there, training=False)
            costs[rows] = self.loss.per_image(x_hat, wanted)
            penalty += self.model.penalty * len(batch)
            for name, metric in self.metrics:
                values[name][rows] = _measured(name, metric, self.loss.to_data(self.model.home(x_hat)), target)
        parts = {"reconstruction": float(costs.mean()), "penalty": penalty / n}
        parts = {"loss": sum(parts.values())} | parts
        return Scores(parts | {name: float(numbers.mean()) for name, numbers in values.items()})

    def baseline(self, target: Images) -> float:
        """The loss of answering every input with the mean target."""
        output = self.loss.baseline_output(target.mean())
        total = 0.0
        for _, chunk in target.chunks():
            answer = np.broadcast_to(output, chunk.shape).astype(self.model.dtype)
            total += float(self.loss.per_image(answer, chunk).sum())
        return total / len(target)

    def admit(self, x, y, x_name, y_name, allow_nonfinite=False):
        """x and y as `Images` that fit the model and the loss; y None stays None."""
        model = self.model
        x = Images(x, model.input_shape, model.dtype, x_name)
        if y is None:
            if model.output_shape != model.input_shape:
                raise ShapeError(
                    f"the output {model.output_shape} is not the input's shape {model.input_shape}, so x cannot be its own"
                    f" target: crop or pad until they agree, or give y\n  shapes: {model.chain_of_shapes()}"
                )
        else:
            y = Images(y, model.output_shape, model.dtype, y_name)
            if len(y) != len(x):
                raise ShapeError(f"{x_name} has {len(x)} samples and {y_name} has {len(y)}")
        if not len(x):
            raise DataError(f"{x_name} is empty: there is nothing to learn from")
        for images in (x,) if y is None else (x, y):
            if not allow_nonfinite:
                images.check_finite()
        if not allow_nonfinite:
            for _, chunk in (x if y is None else y).chunks():
                self.loss.check_target(chunk)
        return x, y

    def _split(self, x, y, validation_data, fraction, allow_nonfinite):
        """(x, y, validation pair or None): the last `fraction` of the samples is kept for validation."""
        fraction = shapes.number(fraction, "validation_split", 0, 1, without=(1,))
        if validation_data is not None:
            pair = validation_data if isinstance(validation_data, (tuple, list)) else (validation_data, None)
            if len(pair) != 2:
                raise SettingError(f"validation_data must be an array or a pair (x, y), got {len(pair)} items")
            return x, y, self.admit(*pair, "validation x", "validation y", allow_nonfinite)
        if not fraction:
            return x, y, None
        cut = len(x) - int(len(x) * fraction)
        if cut == len(x):
            raise DataError(f"validation_split={fraction:g} of {len(x)} samples leaves none for validation")
        (x, held_x), (y, held_y) = (
            (None, None) if images is None else (images.part(slice(cut)), images.part(slice(cut, None)))
            for images in (x, y)
        )
        return x, y, (held_x, held_y)

    def diverged(self, what):
        """The error to raise. The last update, which led here, is taken back."""
        error = DivergedError(f"{what}{self._culprit()}: lower the learning rate, check the data")
        if self.last_good is not None:
            self.model.kernels.upload(self.last_good, self.model.parameters.values)
        return error

    def forget(self) -> None:
        """The weights were set from outside: what was good before them is no longer of use."""
        self.last_good = self._gathered = None
        self._there.forget()

    def moved(self) -> None:
        """The model runs on another backend now, and so do loss and optimizer."""
        self._output, self._there = None, Steps(self)
        self.loss.backend = self.optimizer.backend = self.model.backend
        self.forget()

    def _culprit(self):
        """Where the first number that is not finite stands, or else the largest output: the name of a layer."""
        largest, text = 0.0, ""
        for leaf in self.model.leaves():
            y = leaf.saved.buffers.get("y")
            top = 0.0 if y is None else float(np.abs(leaf.home(y)).max(initial=0.0))
            if not np.isfinite(top):
                return f", first in the output of {leaf.where}"
            if top > largest:
                largest, text = top, f"; the largest output, {top:.3g}, is that of {leaf.where}"
        for entry in self.model.parameters:
            if not np.isfinite(self.model.home(entry.gradient)).all():
                return f", first in the gradient of {entry.name}"
        return text


def _measured(name, metric, y, target):
    """The metric's numbers, one an image; SettingError where it gives something else."""
    numbers = np.asarray(metric(y, target))
    if numbers.shape != (len(y),):
        raise SettingError(f"the metric {name} must give one number an image, ({len(y)},), got {numbers.shape}")
    return numbers

"""Training: forward, compare, backward, move, and around it the loop over epochs. `Trainer.step` is the definition."""

import copy
import math
import shutil
import sys
import time

import numpy as np

from minicae import shapes
from minicae.errors import DataError, DivergedError, SettingError, ShapeError
from minicae.training.batches import Batches, Images
from minicae.training.callbacks import Callback
from minicae.training.history import History


class Scores(float):
    """The loss, as a number; its parts by name: scores["reconstruction"], scores["penalty"], and each metric."""

    def __new__(cls, parts: dict):
        self = super().__new__(cls, parts["loss"])
        self.parts = parts
        return self

    def __getitem__(self, name):
        return self.parts[name]

    def keys(self):
        """Names of the parts."""
        return self.parts.keys()

    def __repr__(self):
        return f"Scores({', '.join(f'{name}={value:.6g}' for name, value in self.parts.items())})"


class Trainer:
    """A model with a loss and an optimizer.

    `fused` says that the model ends in a sigmoid and the loss is a cross-entropy of probabilities: their slopes cancel,
    so the gradient is taken before the sigmoid.
    """

    def __init__(self, model, loss, optimizer, metrics=()):
        self.model, self.loss, self.optimizer, self.metrics = model, copy.copy(loss), optimizer, list(metrics)
        self._last_good = self._output = None
        self.loss.backend = optimizer.backend = model.backend
        last = next(reversed(model.leaves()), None)
        ends_in_sigmoid = last is not None and last.slope is not None and last.slope[0] == "sigmoid"
        self.fused = ends_in_sigmoid and getattr(loss, "from_logits", None) is False
        self.fitting = False

    def step(self, x, target) -> tuple[float, float]:
        """One update: forward, compare, backward, move. Returns (reconstruction, penalty); their sum is the objective."""
        model, parameters = self.model, self.model.parameters
        x_hat = self._output = model.forward(x, training=True)
        reconstruction, dx_hat = self.loss.step(x_hat, target, self.fused)
        penalty = model.penalty
        if not math.isfinite(reconstruction + penalty):
            raise self._diverged(f"the loss is {reconstruction + penalty}")
        model.backward_weights(dx_hat, self.fused, own=True)
        kept = np.empty_like(parameters.values) if self._last_good is None else self._last_good
        if not model.kernels.keep_if_finite(parameters.gradients, parameters.values, kept):
            raise self._diverged("a gradient is not finite")
        self._last_good = kept
        self.optimizer.step(parameters)
        return reconstruction, penalty

    def fit(
        self, x, y, epochs, batch_size, validation_data, validation_split, shuffle, callbacks, verbose, allow_nonfinite
    ) -> History:
        """The loop over epochs; arguments as in `Sequential.fit`."""
        if self.fitting:
            raise SettingError("this model is being fitted already, by another thread: wait for it, or fit a copy")
        self.fitting = True
        try:
            epochs, batch_size = shapes.integer(epochs, "epochs", 0), shapes.integer(batch_size, "batch_size")
            x, y = self.admit(x, y, "x", "y", allow_nonfinite)
            x, y, validation = self._split(x, y, validation_data, validation_split, allow_nonfinite)
            callbacks = _checked(callbacks)
            self.forget()
            history = History(self.baseline(y if y is not None else x))
            batches = Batches(x, y, batch_size, self.model.rng if shuffle else None)
            self._loop(batches, validation, epochs, batch_size, history, callbacks, verbose)
        finally:
            self.fitting = False
        return history

    def _loop(self, batches, validation, epochs, batch_size, history, callbacks, verbose):
        model = self.model
        model.stop_training = False
        begun = []
        try:
            for callback in callbacks:
                callback.model = model
                callback.on_train_begin()
                begun.append(callback)
            for _ in range(epochs):
                model.epochs += 1
                start = time.perf_counter()
                logs = self._epoch(batches, f"epoch {model.epochs}", verbose)
                if validation is not None:
                    scores = self.evaluate(*validation, batch_size)
                    logs |= {f"val_{name}": value for name, value in scores.parts.items()}
                logs |= {"learning_rate": self.optimizer.rate, "seconds": time.perf_counter() - start}
                history.append(model.epochs, logs)
                if verbose:
                    print(history.line(model.epochs - len(history.epoch) + epochs), flush=True)
                    reached = logs.get("val_reconstruction", self._late)
                    if len(history.epoch) == 1 and history.baseline and reached >= 0.98 * history.baseline:
                        print("  no better than the mean image yet: if this stays, the model has collapsed", flush=True)
                for callback in callbacks:
                    callback.on_epoch_end(model.epochs, logs)
                if model.stop_training:
                    break
        finally:
            for callback in begun:
                callback.on_train_end()

    def _epoch(self, batches, title, verbose):
        sums, seen, shown = np.zeros(2), 0, 0.0
        watched = dict.fromkeys((name for name, _ in self.metrics), 0.0)
        late = []  # the second half of the epoch: what has been reached, without the way there
        bar = _bar(len(batches), title, verbose)
        try:
            for place, (x, target) in enumerate(batches):
                try:
                    losses = self.step(x, target)
                except DivergedError as error:
                    kept = "the weights are those of the last step whose loss and gradient were finite"
                    error.message = f"{title}, step {place + 1}: {error.message} ({kept})"
                    raise
                sums += np.multiply(losses, len(x))
                seen += len(x)
                late += [losses[0]] if 2 * place >= len(batches) - 1 else []
                for name, metric in self.metrics:
                    watched[name] += float(_measured(name, metric, self.loss.to_data(self._output), target).sum())
                if bar is not None:
                    bar.update()
                    if time.perf_counter() - shown > 0.2:
                        shown = time.perf_counter()
                        bar.set_postfix_str(
                            f"reconstruction {sums[0] / seen:.5g}  penalty {sums[1] / seen:.5g}", refresh=False
                        )
        finally:
            if bar is not None:
                bar.close()
        reconstruction, penalty = (sums / seen).tolist()
        self._late = float(np.mean(late))
        logs = {"loss": reconstruction + penalty, "reconstruction": reconstruction, "penalty": penalty}
        return logs | {name: total / seen for name, total in watched.items()}

    def evaluate(self, x: Images, y: Images | None, batch_size: int) -> Scores:
        """Loss, its parts and the metrics over all samples. Costs are kept image by image, so batches leave no trace."""
        n = len(x)
        if not n:
            raise DataError("there are no samples to evaluate")
        costs, penalty = np.empty(n), 0.0
        values = {name: np.empty(n) for name, _ in self.metrics}
        for first, (batch, target) in zip(range(0, n, batch_size), Batches(x, y, batch_size, None)):
            rows = slice(first, first + len(batch))
            x_hat = self.model.forward(batch, training=False)
            costs[rows] = self.loss.per_image(x_hat, target)
            penalty += self.model.penalty * len(batch)
            for name, metric in self.metrics:
                values[name][rows] = _measured(name, metric, self.loss.to_data(x_hat), target)
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

    def _diverged(self, what):
        """The error to raise. The last update, which led here, is taken back."""
        error = DivergedError(f"{what}{self._culprit()}: lower the learning rate, check the data")
        if self._last_good is not None:
            self.model.parameters.values[...] = self._last_good
        return error

    def forget(self) -> None:
        """The weights were set from outside: what was good before them is no longer of use."""
        self._last_good = None

    def _culprit(self):
        """Where the first number that is not finite stands, or else the largest output: the name of a layer."""
        largest, text = 0.0, ""
        for leaf in self.model.leaves():
            y = leaf.saved.buffers.get("y")
            top = 0.0 if y is None else float(np.abs(y).max(initial=0.0))
            if not np.isfinite(top):
                return f", first in the output of {leaf.where}"
            if top > largest:
                largest, text = top, f"; the largest output, {top:.3g}, is that of {leaf.where}"
        for entry in self.model.parameters:
            if not np.isfinite(entry.gradient).all():
                return f", first in the gradient of {entry.name}"
        return text


def _measured(name, metric, y, target):
    """The metric's numbers, one an image; SettingError where it gives something else."""
    numbers = np.asarray(metric(y, target))
    if numbers.shape != (len(y),):
        raise SettingError(f"the metric {name} must give one number an image, ({len(y)},), got {numbers.shape}")
    return numbers


def _checked(callbacks):
    """`callbacks` as a list; SettingError where one is none."""
    callbacks = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise SettingError(f"callbacks must be objects of minicae.callbacks, got {callback!r}")
    return callbacks


def _bar(total, title, verbose):
    """A progress bar on a terminal, or None."""
    if verbose != 1 or not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    return tqdm(
        total=total, desc=title, unit="batch", leave=False, mininterval=0.1, ncols=shutil.get_terminal_size().columns
    )

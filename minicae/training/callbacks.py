"""Things that happen between epochs: stop, save, slow down, write down.

A callback is told when training begins and ends and what each epoch brought; `self.model` is the model, and setting
`self.model.stop_training = True` ends training after the epoch.
"""

import csv

import numpy as np

from minicae import shapes
from minicae.errors import DivergedError, SettingError
from minicae.layers.sampling import GaussianSampling


class Callback:
    """Base class: override what you need. `logs` is a dict such as {"loss": 0.1, "val_loss": 0.2}."""

    model = None

    def on_train_begin(self) -> None:
        """Before the first epoch."""

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """After epoch `epoch`, counted from 1."""

    def on_train_end(self) -> None:
        """After the last epoch, whatever ended training."""


class LambdaCallback(Callback):
    """Functions in the place of methods: on_train_begin(), on_epoch_end(epoch, logs), on_train_end()."""

    def __init__(self, on_train_begin=None, on_epoch_end=None, on_train_end=None):
        for name, function in (
            ("on_train_begin", on_train_begin),
            ("on_epoch_end", on_epoch_end),
            ("on_train_end", on_train_end),
        ):
            if function is not None:
                setattr(self, name, function)


class _Watching(Callback):
    """Follows one number of the logs, which gets better as it falls (mode "min") or rises ("max")."""

    def __init__(self, monitor="val_loss", mode="min", min_delta=0.0):
        if mode not in ("min", "max"):
            raise SettingError(f"mode must be 'min' or 'max', got {mode!r}")
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)

    def on_train_begin(self):
        self.best, self.wait = None, 0

    def better(self, logs):
        """Whether the watched number has improved; counts the epochs in which it has not in `wait`."""
        if self.monitor not in logs:
            raise SettingError(f"{type(self).__name__} watches {self.monitor!r}, and there is only {', '.join(logs)}")
        value = logs[self.monitor] if self.mode == "min" else -logs[self.monitor]
        if self.best is None or value < self.best - self.min_delta:
            self.best, self.wait = value, 0
            return True
        self.wait += 1
        return False


class EarlyStopping(_Watching):
    """Stop when `monitor` has not improved by min_delta for `patience` epochs; `restore_best_weights` goes back to the best."""

    def __init__(self, monitor="val_loss", patience=3, min_delta=0.0, mode="min", restore_best_weights=False):
        super().__init__(monitor, mode, min_delta)
        self.patience, self.restore_best_weights = patience, restore_best_weights

    def on_epoch_end(self, epoch, logs):
        if self.better(logs):
            self._weights = self.model.get_weights() if self.restore_best_weights else None
        elif self.wait >= self.patience:
            self.model.stop_training = True

    def on_train_end(self):
        if self.restore_best_weights and self.best is not None:
            self.model.set_weights(self._weights)


class ModelCheckpoint(_Watching):
    """Save the model to `path` after each epoch, or only when `monitor` improves: save_best_only."""

    def __init__(self, path, monitor="val_loss", save_best_only=False, mode="min"):
        super().__init__(monitor, mode)
        self.path, self.save_best_only = path, save_best_only

    def on_epoch_end(self, epoch, logs):
        if not self.save_best_only or self.better(logs):
            self.model.save(self.path)


class ReduceLROnPlateau(_Watching):
    """Multiply the learning rate by `factor` when `monitor` has not improved for `patience` epochs, down to min_lr."""

    def __init__(self, monitor="val_loss", factor=0.5, patience=2, min_delta=0.0, mode="min", min_lr=0.0):
        super().__init__(monitor, mode, min_delta)
        if not 0 < factor < 1:
            raise SettingError(f"factor must lie between 0 and 1, got {factor!r}")
        self.factor, self.patience, self.min_lr = factor, patience, min_lr

    def on_epoch_end(self, epoch, logs):
        if not self.better(logs) and self.wait >= self.patience:
            optimizer = self.model.optimizer
            optimizer.learning_rate = max(self.min_lr, optimizer.rate * self.factor)
            self.wait = 0


class CSVLogger(Callback):
    """One row an epoch in a CSV file, with a header."""

    def __init__(self, path):
        self.path = path

    def on_train_begin(self):
        self._columns = None

    def on_epoch_end(self, epoch, logs):
        row = {"epoch": epoch, **logs}
        with open(self.path, "w" if self._columns is None else "a", newline="") as file:
            writer = csv.DictWriter(file, self._columns or list(row))
            if self._columns is None:
                self._columns = list(row)
                writer.writeheader()
            writer.writerow(row)


class TerminateOnNaN(Callback):
    """Stop when an epoch's log holds a NaN (the loss and gradients are checked at every step without it)."""

    def on_epoch_end(self, epoch, logs):
        bad = [key for key, value in logs.items() if not np.isfinite(value)]
        if bad:
            raise DivergedError(f"epoch {epoch}: {', '.join(bad)} not finite")


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

    def _set(self, warmth):
        for layer in self._layers:
            layer.warmth = warmth

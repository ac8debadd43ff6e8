"""What a callback is: an object that is told how training goes, and may act on it."""

import math
import numbers

from minicae import shapes
from minicae.errors import SettingError, shown


class Callback:
    """Base class: override what you need. `logs` is a dict such as {"loss": 0.1, "val_loss": 0.2}.

    `self.model` is the model; setting `self.model.stop_training = True` ends training after the epoch. What a callback
    must remember for a training that is resumed from a file is its `state`.
    """

    model = None

    def on_train_begin(self) -> None:
        """Before the first epoch; a resumed training calls `restore` after it."""

    def on_step_end(self, step: int) -> None:
        """After update `step` of the optimizer, counted from 1. Costs nothing where it is not overridden."""

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """After epoch `epoch` of the model, counted from 1."""

    def on_epoch_done(self) -> None:
        """After every callback has been told of the epoch: the time to save what they decided."""

    def on_interrupt(self) -> None:
        """After the step in which Ctrl-C was pressed, before training ends with KeyboardInterrupt."""

    def on_train_end(self) -> None:
        """After the last epoch, whatever ended training."""

    def state(self) -> dict:
        """What has to be saved so that training can go on as if it had not stopped: numbers, texts, lists, arrays by name.

        They come back to `restore` as JSON gives them back: tuples as lists, and all names as texts.
        """
        return {}

    def restore(self, state: dict) -> None:
        """Take over what `state` gave."""


class LambdaCallback(Callback):
    """Functions in the place of methods: on_train_begin(), on_step_end(step), on_epoch_end(epoch, logs), on_train_end()."""

    def __init__(self, on_train_begin=None, on_epoch_end=None, on_train_end=None, on_step_end=None):
        for name, function in (
            ("on_train_begin", on_train_begin),
            ("on_epoch_end", on_epoch_end),
            ("on_train_end", on_train_end),
            ("on_step_end", on_step_end),
        ):
            if function is None:
                continue
            if not callable(function):
                raise SettingError(f"{name} must be a function, got {function!r}")
            setattr(self, name, function)


class Watching(Callback):
    """Follows one number of the logs, which gets better as it falls (mode "min") or rises ("max")."""

    def __init__(self, monitor="val_loss", mode="min", min_delta=0.0):
        if not isinstance(monitor, str):
            raise SettingError(f"monitor must be a name in the logs, such as 'val_loss', got {monitor!r}")
        if mode not in ("min", "max"):
            raise SettingError(f"mode must be 'min' or 'max', got {mode!r}")
        self.monitor, self.mode = monitor, mode
        self.min_delta = shapes.number(min_delta, "min_delta", 0)

    def on_train_begin(self):
        self.best, self.wait = None, 0

    def better(self, logs) -> bool:
        """Whether the watched number has improved; counts the epochs in which it has not in `wait`.

        Any number is better than NaN.
        """
        if self.monitor not in logs:
            raise SettingError(f"{type(self).__name__} watches {self.monitor!r}, and there is only {', '.join(logs)}")
        if not isinstance(logs[self.monitor], numbers.Real):
            raise SettingError(
                f"{type(self).__name__} watches {self.monitor!r}, no number: {shown(logs[self.monitor])}"
            )
        value = logs[self.monitor] if self.mode == "min" else -logs[self.monitor]
        first = self.best is None or (math.isnan(self.best) and not math.isnan(value))
        if first or value < self.best - self.min_delta:
            self.best, self.wait = value, 0
            return True
        self.wait += 1
        return False

    def state(self):
        return {"best": self.best, "wait": self.wait}

    def restore(self, state):
        self.best, self.wait = state["best"], state["wait"]

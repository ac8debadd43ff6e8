"""Callbacks that follow a number of the logs: stop when it no longer improves, save when it does, slow down."""

import contextlib
import os
import re
from pathlib import Path

from minicae import shapes
from minicae.errors import SettingError
from minicae.files import as_path, writable_file
from minicae.schedules import Schedule
from minicae.training.callbacks.base import Watching


class EarlyStopping(Watching):
    """Stop when `monitor` has not improved by min_delta for `patience` epochs.

    Parameters
    ----------
    monitor : name in the logs
    patience : epochs without improvement after which training ends
    min_delta : what counts as an improvement, in units of `monitor`
    mode : "min" or "max", which way is better
    restore_best_weights : go back to the weights and running statistics of the best epoch at the end, whatever ended it
    start_from_epoch : epochs of this training that are not looked at
    """

    def __init__(
        self,
        monitor="val_loss",
        patience=3,
        min_delta=0.0,
        mode="min",
        restore_best_weights=False,
        start_from_epoch=0,
    ):
        super().__init__(monitor, mode, min_delta)
        self.patience = shapes.integer(patience, "patience", 0)
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = shapes.integer(start_from_epoch, "start_from_epoch", 0)

    def on_train_begin(self):
        super().on_train_begin()
        self._seen, self._kept = 0, []

    def on_epoch_end(self, epoch, logs):
        self._seen += 1
        if self._seen <= self.start_from_epoch:
            return
        if self.better(logs):
            if self.restore_best_weights:
                self._kept = [
                    *self.model.get_weights(),
                    *(leaf.kernels.download(a) for leaf, a in _statistics(self.model)),
                ]
        elif self.wait >= self.patience:
            self.model.stop_training = True

    def on_train_end(self):
        if self._kept:
            weights = len(self.model.get_weights())
            self.model.set_weights(self._kept[:weights])
            for (leaf, array), kept in zip(_statistics(self.model), self._kept[weights:], strict=True):
                leaf.kernels.upload(kept, array)

    def state(self):
        kept = {f"kept{place}": array for place, array in enumerate(self._kept)}
        return super().state() | {"seen": self._seen, "count": len(kept)} | kept

    def restore(self, state):
        super().restore(state)
        self._seen = state["seen"]
        self._kept = [state[f"kept{place}"] for place in range(state["count"])]


def _statistics(model):
    return [(leaf, array) for leaf in model.leaves() for array in leaf.states.values()]


class ModelCheckpoint(Watching):
    """Save the model, and how far its training has come, so that `fit(resume=path)` can go on from there.

    Parameters
    ----------
    path : where to; "{epoch}" and "{step}" in it stand for numbers, so that each save has a file of its own
    monitor, mode : what `save_best_only` goes by
    save_best_only : save only after epochs in which `monitor` has improved
    every : epochs from one save to the next
    steps : also save after every so many updates, in the middle of an epoch; None: do not
    keep : how many files there may be, the oldest being removed; None: any number

    Ctrl-C saves too, after the step has ended, unless only the best is wanted.
    """

    def __init__(self, path, monitor="val_loss", save_best_only=False, mode="min", every=1, steps=None, keep=None):
        super().__init__(monitor, mode)
        place = as_path(path)
        self.path, self.save_best_only = path, save_best_only
        if re.search(r"\{(epoch|step)[:!]", str(path)):
            raise SettingError(f"write {{epoch}} or {{step}} without a format, got {str(path)!r}")
        self.every = shapes.integer(every, "every")
        self.steps = None if steps is None else shapes.integer(steps, "steps")
        self.keep = None if keep is None else shapes.integer(keep, "keep")
        if save_best_only and steps is not None:
            raise SettingError("save_best_only goes by epochs: leave steps out, or use a second ModelCheckpoint")
        if self._place(1, 1).parent != place.parent:
            raise SettingError(
                f"{{epoch}} and {{step}} stand in the file's own name, not in a folder's, got {str(path)!r}"
            )
        if keep is not None and self._place(1, 1) == self._place(2, 2):
            raise SettingError(f"keep={keep} needs a path with {{epoch}} or {{step}} in it, got {str(path)!r}")

    def on_train_begin(self):
        super().on_train_begin()
        self._epochs, self._written, self._due = 0, [], False
        writable_file(self._place(0, 0))

    def on_step_end(self, step):
        if self.steps and step % self.steps == 0:
            self._save()

    def on_epoch_end(self, epoch, logs):
        self._epochs += 1
        better = self.better(logs) if self.save_best_only else True
        self._due = better and self._epochs % self.every == 0

    def on_epoch_done(self):
        if self._due:
            self._save()

    def on_interrupt(self):
        if not self.save_best_only:
            self._save()

    def state(self):
        return super().state() | {"epochs": self._epochs, "written": [str(path) for path in self._written]}

    def restore(self, state):
        super().restore(state)
        self._epochs, self._written = state["epochs"], [Path(path) for path in state["written"]]

    def _place(self, epoch, step):
        return Path(os.fspath(self.path).replace("{epoch}", f"{epoch:04d}").replace("{step}", f"{step:06d}"))

    def _save(self):
        """The new file is there before the oldest goes, and knows of itself. Broken weights replace no good ones."""
        self.model.trainer.check_weights()
        path = self._place(self.model.epochs, self.model.optimizer.steps)
        written = [other for other in self._written if other != path] + [path]
        self._written = written[-self.keep :] if self.keep else written
        self.model.save(path)
        for old in written[: len(written) - len(self._written)]:
            with contextlib.suppress(FileNotFoundError):
                old.unlink()


class ReduceLROnPlateau(Watching):
    """Multiply the learning rate by `factor` when `monitor` has not improved for `patience` epochs, down to min_lr.

    Parameters
    ----------
    monitor, mode, min_delta : as in `EarlyStopping`
    factor : in 0..1, both excluded
    patience : epochs without improvement
    min_lr : the rate below which none is set
    """

    def __init__(self, monitor="val_loss", factor=0.5, patience=2, min_delta=0.0, mode="min", min_lr=0.0):
        super().__init__(monitor, mode, min_delta)
        self.factor = shapes.number(factor, "factor", 0, 1, without=(0, 1))
        self.patience = shapes.integer(patience, "patience", 0)
        self.min_lr = shapes.number(min_lr, "min_lr", 0)

    def on_train_begin(self):
        super().on_train_begin()
        if isinstance(self.model.optimizer.learning_rate, Schedule):
            raise SettingError(
                f"ReduceLROnPlateau and {self.model.optimizer.learning_rate!r} would both set the learning rate:"
                " give the optimizer a number, or leave the callback out"
            )

    def on_epoch_end(self, epoch, logs):
        if not self.better(logs) and self.wait >= self.patience:
            optimizer = self.model.optimizer
            optimizer.learning_rate = max(min(self.min_lr, optimizer.rate), optimizer.rate * self.factor)
            self.wait = 0

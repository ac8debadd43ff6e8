"""Callbacks that look at what an epoch brought: write it down, or say that something is wrong."""

import csv
import io
import numbers
import warnings
from pathlib import Path

import numpy as np

from minicae.errors import DivergedError, SettingError, outside
from minicae.files import as_path, replacing, writable_file
from minicae.training.callbacks.base import Callback

FEW = 16  # images of a batch, below which it is not looked at
ENOUGH = 256  # images after which a unit that gave 0 for all of them is called dead
DEAD = 0.5  # share of a layer's units from which on their death is worth a word


class CSVLogger(Callback):
    """One row an epoch in a CSV file, with a header.

    Parameters
    ----------
    path : the file; one that is there is begun anew, and gone on with where the same model is fitted again
    append : go on in a file that is there, whoever began it

    A resumed training goes on behind the epoch that it is resumed from.
    """

    def __init__(self, path, append=False):
        as_path(path)
        if not isinstance(append, bool):
            raise SettingError(f"append must be True or False, got {append!r}")
        self.path, self.append = path, append
        self._rows, self._logged = [], None

    def on_train_begin(self):
        writable_file(Path(self.path))
        if self._logged is not self.model:
            self._rows, self._logged = self._read() if self.append else [], self.model

    def on_epoch_end(self, epoch, logs):
        row = {"epoch": epoch, **logs}
        if self._rows and list(self._rows[0]) != list(row):
            before, now = (", ".join(columns) for columns in (self._rows[0], row))
            raise SettingError(f"{self.path} has the columns {before}, this training logs {now}: use another file")
        self._rows.append(row)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(row))
        writer.writeheader()
        writer.writerows(self._rows)
        try:
            with replacing(Path(self.path)) as file:
                file.write(text.getvalue().encode())
        except OSError as error:
            raise SettingError(f"{self.path} cannot be written: {error.strerror or error}") from None

    def state(self):
        return {"rows": len(self._rows)}

    def restore(self, state):
        self._rows = self._read()[: state["rows"]]
        if len(self._rows) < state["rows"]:
            warnings.warn(
                f"{self.path} holds {len(self._rows)} of the {state['rows']} rows that were written before the training"
                " was saved: the others will be missing",
                stacklevel=outside(),
            )

    def _read(self):
        """The rows of the file that is there, if there is one."""
        try:
            with open(self.path, newline="") as file:
                rows = list(csv.DictReader(file))
            if all(row["epoch"].isdigit() for row in rows):
                return rows
        except FileNotFoundError:
            return []
        except (KeyError, AttributeError, csv.Error, UnicodeDecodeError):
            pass
        raise SettingError(f"{self.path} is no log of epochs, so no rows can be added: use another file")


class TerminateOnNaN(Callback):
    """Stop when an epoch's log holds a NaN (the loss and gradients are checked at every step without it)."""

    def on_epoch_end(self, epoch, logs):
        bad = [key for key, value in logs.items() if isinstance(value, numbers.Real) and not np.isfinite(value)]
        if bad:
            raise DivergedError(f"epoch {epoch}: {', '.join(bad)} not finite")


class DeadUnits(Callback):
    """Says once in a fit that half of a ReLU layer or more gives 0 for every image.

    A unit is one number of a dense layer or one channel of a convolution. Dead ones get no gradient, so they stay dead.
    Looked at is the last batch of each epoch, until enough images have been seen, or at once where all units are dead.
    Every model's `fit` has this callback.
    """

    def on_train_begin(self):
        self._said, self._alive, self._seen = False, {}, {}

    def on_epoch_end(self, epoch, logs):
        for leaf in () if self._said else self.model.leaves():
            y = leaf.saved.y if leaf.slope is not None and leaf.slope[0] == "relu" else None
            if y is None or len(y) < FEW:
                continue
            now = leaf.home(y).reshape(-1, leaf.output_shape[-1]).any(0)
            alive = self._alive[leaf.name] = now | self._alive.get(leaf.name, False)
            seen = self._seen[leaf.name] = len(y) + self._seen.get(leaf.name, 0)
            dead = int(alive.size - alive.sum())
            if dead == alive.size or (dead >= DEAD * alive.size and seen >= ENOUGH):
                self._said = True
                warnings.warn(
                    f"dead units: {dead} of {alive.size} units of {leaf.name} gave 0 for all of {seen} images up to"
                    f" epoch {epoch}, and learn nothing; lower the learning rate, scale the data, or use 'leaky_relu'",
                    stacklevel=outside(),
                )

    def state(self):
        alive = {f"alive/{name}": units for name, units in self._alive.items()}
        return {"said": self._said, "seen": self._seen, **alive}

    def restore(self, state):
        self._said, self._seen = state["said"], state["seen"]
        self._alive = {name: state[f"alive/{name}"] for name in self._seen}

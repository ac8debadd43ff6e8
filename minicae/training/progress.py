"""How far a training has come: what has to be known, beside the model, to go on as if it had never stopped."""

import json
from dataclasses import dataclass, field

import numpy as np

from minicae import shapes
from minicae.errors import CheckpointError, SettingError, shown
from minicae.training.history import History

SETTINGS = (
    "samples",
    "batch_size",
    "accumulate",
    "shuffle",
)  # what a resumed training must have in common with the first


@dataclass
class Progress:
    """The place of a `fit` between two updates.

    Sums are over the images of the epoch under way. `late` are the sum and the number of the losses in the second half of
    it: what has been reached, without the way there. `order` is the state of the random stream from which the order of
    the samples is drawn, before it is drawn.
    """

    samples: int
    batch_size: int
    accumulate: int
    shuffle: bool
    epoch: int = 0  # finished ones
    batch: int = 0  # of the next epoch, seen by now
    seen: int = 0
    sums: list = field(default_factory=lambda: [0.0, 0.0])
    late: list = field(default_factory=lambda: [0.0, 0])
    watched: dict = field(default_factory=dict)
    seconds: float = 0.0
    order: dict | None = None
    stopped: bool = False
    history: History = field(default_factory=History)
    callbacks: list = field(default_factory=list)

    def begin_epoch(self, order, metrics) -> None:
        """The epoch after the last one: nothing of it is done."""
        self.order, self.batch, self.seen, self.seconds = order, 0, 0, 0.0
        self.sums, self.late, self.watched = [0.0, 0.0], [0.0, 0], dict.fromkeys(metrics, 0.0)

    def count(self, losses, images: int, late: bool) -> None:
        """One more batch: (reconstruction, penalty), over so many images."""
        self.batch += 1
        self.seen += images
        self.sums[0] += images * losses[0]
        self.sums[1] += images * losses[1]
        if late:
            self.late[0] += losses[0]
            self.late[1] += 1

    def end_epoch(self) -> None:
        """All batches of the epoch under way are done."""
        self.epoch, self.batch = self.epoch + 1, 0

    @property
    def reached(self) -> float:
        """The mean reconstruction loss of the second half of the epoch."""
        return self.late[0] / max(1, self.late[1])

    def logs(self) -> dict:
        """Means over the images seen in this epoch."""
        reconstruction, penalty = (total / self.seen for total in self.sums)
        parts = {"loss": reconstruction + penalty, "reconstruction": reconstruction, "penalty": penalty}
        return parts | {name: total / self.seen for name, total in self.watched.items()}

    def pack(self, callbacks) -> tuple[dict, dict[str, np.ndarray]]:
        """(what JSON can hold, arrays by name), with the states of the callbacks."""
        plain, arrays = vars(self) | {"history": vars(self.history), "callbacks": []}, {}
        for place, callback in enumerate(callbacks):
            small, large = _packed(callback)
            arrays |= {f"{place}/{name}": array for name, array in large.items()}
            plain["callbacks"].append({"class": type(callback).__name__, "state": small, "arrays": sorted(large)})
        return plain, arrays

    @classmethod
    def unpack(cls, plain: dict, arrays: dict[str, np.ndarray]) -> "Progress":
        """What `pack` packed; `callbacks` becomes a list of (class name, state)."""
        kept = dict(plain)
        kept["callbacks"] = [
            (one["class"], one["state"] | {name: arrays[f"{place}/{name}"] for name in one["arrays"]})
            for place, one in enumerate(kept["callbacks"])
        ]
        progress = cls(**kept | {"history": History.of(kept["history"])})
        progress._check_kinds()
        return progress

    def _check_kinds(self):
        """Raise whatever error says best that a file told nonsense."""
        for name in ("samples", "batch_size", "accumulate", "epoch", "batch", "seen"):
            shapes.integer(getattr(self, name), name, int(name in SETTINGS))
        for number in (*self.sums, *self.late, self.seconds):
            shapes.number(number, "a sum")
        sizes = {len(self.history.epoch), *map(len, self.history.history.values())}
        kinds = (self.watched, dict), (self.stopped, bool), (self.shuffle, bool)
        fit = len(self.sums) == len(self.late) == 2 and self.batch <= -(-self.samples // self.batch_size)
        if not fit or len(sizes) > 1 or not all(isinstance(value, kind) for value, kind in kinds):
            raise CheckpointError("the place of the training is not one that a training can be in")
        if self.order is not None:
            check_stream(self.order)

    def check(self, settings: dict, epochs: int, metrics: list, validated: bool, callbacks) -> None:
        """SettingError unless the training that is to go on has the settings and the callbacks of the one that was saved."""
        pairs = {name: (getattr(self, name), settings[name]) for name in SETTINGS}
        if self.epoch or self.batch:
            pairs["metrics"] = list(self.watched), metrics
        if self.epoch:
            pairs["validation data"] = any(name.startswith("val_") for name in self.history.history), validated
        for name, (was, now) in pairs.items():
            if was != now:
                raise SettingError(f"resume: the saved training had {name}={was}, this one has {now}: give it the same")
        begun = self.epoch + (self.batch > 0)
        if epochs < begun:
            raise SettingError(f"resume: the saved training is in epoch {begun}, and epochs={epochs} is fewer")
        was, now = [name for name, _ in self.callbacks], [type(callback).__name__ for callback in callbacks]
        if was != now:
            raise SettingError(
                f"resume: the saved training had the callbacks {', '.join(was)}, this one has {', '.join(now)}: give it the"
                " same, in the same order"
            )


def check_stream(state) -> None:
    """Raise an error where `state` is not that of a random stream."""
    np.random.default_rng(0).bit_generator.state = state


def _packed(callback):
    """The state of a callback as (what JSON can hold, arrays by name); SettingError for what a file cannot keep."""
    kind, small, large = type(callback).__name__, {}, {}
    state = callback.state()
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise SettingError(f"{kind}.state() must give a dict with texts as its keys, got {shown(state)}")
    for name, value in state.items():
        if isinstance(value, np.ndarray):
            if value.dtype.kind not in "fiub" or isinstance(value, np.ma.MaskedArray):
                raise SettingError(f"{kind}.state()[{name!r}] must be an array of plain numbers, got {shown(value)}")
            large[name] = value
            continue
        small[name] = value.item() if isinstance(value, np.generic) else value
        try:
            json.dumps(small[name])
        except (TypeError, ValueError):
            wanted = "a number, a text, a list, a dict or an array"
            raise SettingError(f"{kind}.state()[{name!r}] must be {wanted}, got {shown(value)}") from None
    return small, large

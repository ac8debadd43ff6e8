"""What came out: of training, epoch by epoch, and of an evaluation."""


class History:
    """`history["loss"][k]` is the loss of epoch k + 1.

    Keys: loss (the objective), reconstruction and penalty (its two parts), the metrics' names, each again with "val_"
    for the validation data, learning_rate, seconds.

    Attributes
    ----------
    history : dict of lists, one number an epoch, by those keys
    epoch : list of epochs, counted from 1
    baseline : the loss of answering every input with the mean target image: what a collapsed model reaches
    """

    def __init__(self, baseline=None):
        self.history, self.epoch, self.baseline = {}, [], baseline

    def __getitem__(self, name):
        return self.history[name]

    @classmethod
    def of(cls, told: dict) -> "History":
        """The history whose `vars` were `told`."""
        history = cls(told["baseline"])
        history.history, history.epoch = told["history"], told["epoch"]
        return history

    def append(self, epoch: int, logs: dict) -> None:
        """Add one epoch."""
        self.epoch.append(epoch)
        for key, value in logs.items():
            self.history.setdefault(key, []).append(value)

    def line(self, epochs: int) -> str:
        """The last epoch in one line."""
        logs = {key: values[-1] for key, values in self.history.items()}
        parts = [f"epoch {self.epoch[-1]}/{epochs}"]
        hidden = {"seconds", "learning_rate"}
        if not logs.get("penalty") and not logs.get("val_penalty"):
            hidden |= {"penalty", "val_penalty", "reconstruction", "val_reconstruction"}
        parts += [f"{key} {value:.5g}" for key, value in logs.items() if key not in hidden]
        if self.baseline is not None:
            parts.append(f"(mean image {self.baseline:.5g})")
        parts.append(f"{logs['seconds']:.1f} s")
        return "  ".join(parts)

    def plot(self, ax=None):
        """The learning curve: training, validation and the mean image's loss. Returns the axes."""
        from minicae import plots

        return plots.learning_curve(self, ax)

    def __repr__(self):
        if not self.epoch:
            return "History(no epochs)"
        return (
            f"History({len(self.epoch)} epochs, loss {self.history['loss'][0]:.5g} -> {self.history['loss'][-1]:.5g})"
        )


class Scores(float):
    """The loss, as a number; its parts by name: scores["reconstruction"], scores["penalty"], and each metric."""

    def __new__(cls, parts: dict):
        self = super().__new__(cls, parts["loss"])
        self.parts = parts
        return self

    def __getnewargs__(self):
        return (self.parts,)

    def __getitem__(self, name):
        return self.parts[name]

    def keys(self):
        """Names of the parts."""
        return self.parts.keys()

    def __repr__(self):
        return f"Scores({', '.join(f'{name}={value:.6g}' for name, value in self.parts.items())})"

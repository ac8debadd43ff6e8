"""What the tests of figures share: axes that pyplot knows nothing of, and a window-less pyplot."""

import matplotlib
import pytest
from matplotlib.figure import Figure

from minicae.training.history import History

matplotlib.use("Agg")


@pytest.fixture
def ax():
    return Figure(layout="compressed").subplots()


@pytest.fixture
def history():
    """A function that makes the history of a fit."""

    def make(validation=True, epochs=3):
        made = History(baseline=1.0)
        for epoch in range(1, epochs + 1):
            logs = {"loss": 0.9 / epoch, "reconstruction": 0.8 / epoch, "penalty": 0.1 / epoch}
            logs["learning_rate"] = 10.0**-epoch
            made.append(epoch, logs | ({"val_reconstruction": 0.85 / epoch} if validation else {}))
        return made

    return make

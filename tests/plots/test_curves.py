"""Curves, histograms, bars: the numbers that are drawn are the numbers that were given."""

import numpy as np
import pytest

import minicae as mc
from minicae import plots
from minicae.losses import BinaryCrossEntropy, MeanSquaredError
from minicae.plots import curves
from minicae.training.history import History


def test_learning_curve_shows_training_validation_and_baseline(ax, history):
    assert plots.learning_curve(history(), ax, "squared error per pixel") is ax
    train, validation, baseline = ax.lines
    assert np.allclose(train.get_ydata(), [0.8, 0.4, 0.8 / 3]) and list(train.get_xdata()) == [1, 2, 3]
    assert np.allclose(validation.get_ydata(), [0.85, 0.425, 0.85 / 3])
    assert list(baseline.get_ydata()) == [1, 1] and baseline.get_linestyle() == "--"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "squared error per pixel")
    assert len(ax.get_legend().get_texts()) == 3 and ax.get_yscale() == "linear"


def test_learning_curve_hides_no_loss_below_zero(ax):
    falling = History(baseline=0.5)
    for epoch, loss in enumerate((0.2, -0.3, np.nan), 1):
        falling.append(epoch, {"reconstruction": loss})
    plots.learning_curve(falling, ax)
    assert ax.get_ylim()[0] < -0.3


def test_learning_curve_shows_the_other_part_and_the_rate_if_asked(ax, history):
    plots.learning_curve(history(), ax, log=True, penalty=True, learning_rate=True)
    assert np.allclose(ax.lines[2].get_ydata(), [0.1, 0.05, 0.1 / 3]) and ax.get_yscale() == "log"
    right = ax.figure.axes[1]
    assert np.allclose(right.lines[0].get_ydata(), [0.1, 0.01, 0.001]) and "learning rate" in right.get_ylabel()


def test_history_plots_itself(ax, history):
    assert history(validation=False).plot(ax) is ax
    assert len(ax.lines) == 2


def test_quantity_names_the_unit():
    assert curves.quantity(BinaryCrossEntropy(reduction="per_image"), 4) == "cross-entropy, nats per image"
    assert curves.quantity(MeanSquaredError(), 2) == "squared error per number" and curves.quantity(None, 4) == "loss"


def test_anomaly_histogram_counts_shares_of_each_group(ax):
    normal, anomalous = np.array([0.1, 0.1, 0.2, 0.9]), np.array([0.8, 1.1])
    plots.anomaly_histogram(normal, anomalous, 0.5, ax, bins=2)
    filled = [ax.patches[place].get_xy() for place in (0, 2)]  # each group: an area, and its outline
    assert np.isclose(filled[0][:, 1].max(), 0.75) and np.isclose(filled[1][:, 1].max(), 1.0)
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["4 normal, 25% above the threshold", "2 anomalous, 100% above the threshold", "threshold 0.5"]
    assert list(ax.lines[0].get_xdata()) == [0.5, 0.5]
    assert "error" in ax.get_xlabel() and "share" in ax.get_ylabel()


def test_anomaly_histogram_of_normal_samples_alone(ax):
    plots.anomaly_histogram(np.full(5, 0.25), ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["5 normal"]


def test_gradient_flow_is_the_mean_absolute_gradient(ax):
    model = mc.Sequential([mc.layers.Dense(4, "tanh"), mc.layers.Dense(3)], input_shape=(5,))
    rng = np.random.default_rng(0)
    model.forward(rng.random((6, 5)), training=True)
    model.backward(rng.standard_normal((6, 3)))
    plots.gradient_flow(model, ax)
    drawn = {round(bar.get_y() + bar.get_height() / 2): bar.get_width() for bar in ax.patches}
    wanted = [np.abs(gradient).mean() for gradient in model.get_gradients()]
    assert np.allclose([drawn[place] for place in range(4)], wanted) and ax.get_xscale() == "log"
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["sequential[0].w", "sequential[0].b", "sequential[1].w", "sequential[1].b"]
    assert ax.get_xlabel() == "mean |gradient|"


def test_gradient_flow_says_what_has_no_bar(ax):
    model = mc.Sequential([mc.layers.Dense(2), mc.layers.Dense(2), mc.layers.Dense(2)], input_shape=(2,))
    for entry, value in zip(model.parameters, (1e-3, 0.0, np.nan, 1.0, 1.0, 1.0)):
        entry.gradient[...] = value
    plots.gradient_flow(model, ax)
    assert [text.get_text() for text in ax.texts] == ["0", "nan"]


@pytest.mark.parametrize("groups", [None, [("a", "red"), ("b", "blue"), ("a", "red")]])
def test_roofline_is_the_lower_of_two_limits(ax, groups):
    rows = [("relu", 0.25, 10.0), ("dense", 40.0, 700.0), ("conv", 4.0, 100.0)]
    plots.roofline(rows, 1000, 50, ax, groups)
    x, y = ax.lines[0].get_data()
    assert np.allclose(y, np.where(x < 20, 50 * x, 1000)) and x.min() < 0.25 and x.max() > 40
    points = [tuple(float(one[0]) for one in line.get_data()) for line in ax.lines[1:]]
    assert points == [(0.25, 10.0), (40.0, 700.0), (4.0, 100.0)]
    words = {text.get_text() for text in ax.texts}
    assert words == {"relu", "dense", "conv", "arithmetic: 1,000 GFLOP/s", "memory: 50 GB/s"}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("operations a byte", "GFLOP/s")
    legend = ax.get_legend() and [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == (groups and ["a", "b"])

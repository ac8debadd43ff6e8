"""Figures: drawn into the axes given, for every kind of data, with nothing left unsaid or cut off."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from minicae import plots
from minicae.losses import BinaryCrossEntropy
from minicae.training.history import History


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


def history(validation=True, epochs=3):
    made = History(baseline=1.0)
    for epoch in range(1, epochs + 1):
        logs = {"loss": 0.9 / epoch, "reconstruction": 0.8 / epoch, "penalty": 0.1 / epoch}
        made.append(epoch, logs | ({"val_reconstruction": 0.85 / epoch} if validation else {}))
    return made


@pytest.mark.parametrize(
    "shape", [(12, 6, 5), (12, 6, 5, 1), (12, 6, 5, 3), (12, 6, 5, 2), (12, 16), (12, 7), (3, 8, 8, 1)]
)
def test_reconstructions_shows_inputs_above_outputs(ax, shape):
    x = np.random.default_rng(0).random(shape)
    assert plots.reconstructions(x, 0 * x, ax, count=4) is ax
    page = ax.images[0].get_array()
    top, bottom = page[: len(page) // 2], page[-(len(page) // 2) :]
    assert np.nanmax(top) > 0.5 and np.nanmin(bottom) == 0
    assert [label.get_text() for label in ax.get_yticklabels()] == ["input", "output"]


def test_reconstructions_places_every_pixel(ax):
    x = np.arange(2 * 3 * 4).reshape(2, 3, 4, 1) / 24
    plots.reconstructions(x, 1 - x, ax)
    page = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert page.shape == (7, 9)
    assert np.array_equal(page[:3, :4], x[0, ..., 0]) and np.array_equal(page[:3, 5:], x[1, ..., 0])
    assert np.array_equal(page[4:, 5:], 1 - x[1, ..., 0])
    assert np.isnan(page[3]).all() and np.isnan(page[:, 4]).all()


def test_learning_curve_shows_training_validation_and_baseline(ax):
    assert plots.learning_curve(history(), ax, "squared error per pixel") is ax
    train, validation, baseline = ax.lines
    assert np.allclose(train.get_ydata(), [0.8, 0.4, 0.8 / 3]) and list(train.get_xdata()) == [1, 2, 3]
    assert np.allclose(validation.get_ydata(), [0.85, 0.425, 0.85 / 3])
    assert list(baseline.get_ydata()) == [1, 1] and baseline.get_linestyle() == "--"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "squared error per pixel")
    assert len(ax.get_legend().get_texts()) == 3


def test_history_plots_itself(ax):
    assert history(validation=False).plot(ax) is ax
    assert len(ax.lines) == 2


def test_code_map_keeps_two_numbers_as_they_are(ax):
    codes = np.random.default_rng(0).random((20, 2))
    plots.code_map(codes, None, ax)
    assert np.allclose(ax.collections[0].get_offsets(), codes)
    assert ax.get_xlabel() == "code[0]"


def test_code_map_names_every_class_twice(ax):
    rng = np.random.default_rng(0)
    labels = [3, 5, 7] * 20
    plots.code_map(rng.random((60, 4, 2)), labels, ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["3", "5", "7"]
    assert [text.get_text() for text in ax.texts] == ["3", "5", "7"]
    assert len({tuple(points.get_facecolor()[0]) for points in ax.collections}) == 3
    assert "of its variance" in ax.get_xlabel()


@pytest.mark.parametrize("labels", [np.zeros(60), np.arange(60), np.linspace(0, 1, 60)])
def test_code_map_colours_only_what_can_be_told_apart(ax, labels):
    plots.code_map(np.random.default_rng(0).random((60, 3)), labels, ax)
    assert len(ax.collections) == 1 and ax.get_legend() is None


def test_principal_axes_are_those_of_the_covariance():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((500, 5)) * [1, 9, 2, 4, 1] + 7
    points, shares = plots.principal_axes(codes)
    variances = np.sort(np.linalg.eigvalsh(np.cov(codes.T, bias=True)))[::-1]
    assert np.allclose(points.var(0), variances[:2]) and np.allclose(points.mean(0), 0)
    assert np.allclose(shares, variances[:2] / variances.sum())
    assert np.allclose(plots.principal_axes(codes[:, ::-1])[0], points)


@pytest.mark.parametrize("shape", [(9, 1), (1, 4), (5, 3)])
def test_principal_axes_of_little_or_nothing(shape):
    points, shares = plots.principal_axes(np.ones(shape))
    assert points.shape == (shape[0], 2) and np.allclose(points, 0) and np.allclose(shares, 0)


@pytest.mark.parametrize("labelled", [True, False])
def test_report_figure_fits_on_its_page(labelled):
    rng = np.random.default_rng(0)
    x = rng.random((200, 8, 8, 1))
    labels = rng.integers(0, 10, 200) if labelled else None
    figure = plots.report_figure(x, x, rng.random((200, 6)), history(), labels, "A title", BinaryCrossEntropy())
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    file.seek(0)
    pixels = imread(file)[..., :3]
    assert pixels.shape == (380, 500, 3) and pixels.std() > 0.1
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (edge == 1).all()  # whatever is cut off would be dark here
    words = [axes.get_ylabel() for part in figure.subfigs for axes in part.get_axes() or part.subfigs]
    assert "cross-entropy, nats per pixel" in words


def test_report_figure_shows_one_of_each_class():
    assert plots._one_of_each(np.array([2, 2, 0, 1, 0, 1]), 6, 4) == [2, 3, 0, 1]
    assert plots._one_of_each(None, 3, 10) == [0, 1, 2]


def test_report_figure_of_reconstructions_alone():
    x = np.random.default_rng(0).random((3, 8, 8, 1))
    assert len(plots.report_figure(x, x).axes) == 1

"""The page on a model: everything on it, nothing cut off."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from minicae import plots
from minicae.losses import BinaryCrossEntropy
from minicae.plots import report


@pytest.mark.parametrize("labelled", [True, False])
def test_report_figure_fits_on_its_page(labelled, history):
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
    assert report._one_of_each(np.array([2, 2, 0, 1, 0, 1]), 6, 4) == [2, 3, 0, 1]
    assert report._one_of_each(None, 3, 10) == [0, 1, 2]


def test_report_figure_of_reconstructions_alone():
    x = np.random.default_rng(0).random((3, 8, 8, 1))
    assert len(plots.report_figure(x, x).axes) == 1

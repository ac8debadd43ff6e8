"""Pictures of a trace: which numbers are drawn, and where."""

import matplotlib.pyplot as plt
import numpy as np

import minicae as mc
from minicae import layers as L
from minicae import plots


def traced(layers, shape, y_shape, n=2):
    rng = np.random.default_rng(0)
    model = mc.Sequential(layers, input_shape=shape, dtype="float64", backend="reference")
    return mc.trace(model, rng.standard_normal((n, *shape)), rng.standard_normal((n, *y_shape)))


def test_a_row_a_layer_each_with_its_gradient(ax):
    trace = traced([L.Conv2D(3, 3), L.Flatten(), L.Dense(5)], (4, 4, 2), (5,))
    plots.trace(trace, ax, n=1, count=2)
    said = [text.get_text() for text in ax.texts]
    for step in trace.forward:
        assert f"{step.name} {type(step.layer).__name__}" in said
    y, dy = ax.images[2].get_array().filled(), ax.images[3].get_array().filled()  # below the input
    assert y.shape == dy.shape == (4, 9)
    assert np.array_equal(y[:, 5:], trace[0].output[1, :, :, 1])
    assert np.array_equal(dy[:, 5:], trace[0].twin.input[1, :, :, 1])
    assert ax.images[3].norm.vmin == -ax.images[3].norm.vmax


def test_vectors_are_bars_up_and_down(ax):
    trace = traced([L.Dense(5)], (3,), (5,))
    plots.trace(trace, ax, n=0)
    heights = np.array([bar.get_height() for bar in ax.patches])  # down is positive, as rows are
    wanted = [trace[0].input[0], trace.dx[0], trace[0].output[0], trace[0].twin.input[0]]
    assert np.allclose(heights, np.concatenate([-0.42 * one / abs(one).max() for one in wanted]))


def test_images_without_channels_are_images(ax):
    plots.trace(traced([L.Flatten(), L.Dense(16)], (4, 4), (16,)), ax)
    assert ax.images[0].get_array().shape == (4, 4)


def test_an_opening_shows_its_numbers_and_their_places(ax):
    opened = traced([L.Conv2D(2, 3)], (5, 5, 1), (5, 5, 2))[0].open(i=0, j=3, f=1)
    plots.opening(opened, ax)
    said = [text.get_text() for text in ax.texts]
    assert {"row 0", "row 1", "col 2", "col 3", "col 4", "inputs", "weights", "products"} <= set(said)
    assert "row -1" not in said
    shown = [np.asarray(image.get_array()) for image in ax.images]
    assert np.array_equal(shown[0], opened.patch[..., 0]) and np.array_equal(shown[1], opened.weights[..., 0])
    assert np.array_equal(shown[2], opened.products[..., 0])
    ending = next(text for text in said if text.startswith("of the products"))
    assert f"{opened.total:.4g}" in ending and f"{opened.before:.4g}" in ending


def test_an_opening_of_many_channels_shows_those_that_count_most(ax):
    opened = traced([L.Conv2D(1, 2)], (4, 4, 6), (4, 4, 1))[0].open()
    plots.opening(opened, ax)
    weight = np.abs(opened.products).sum((0, 1))
    labels = [text.get_text() for text in ax.texts if text.get_text().startswith("channel")]
    assert labels == [f"channel {c}" for c in np.argsort(-weight)[:3]] and len(ax.images) == 9


def test_an_opening_of_a_maximum_shows_one_share(ax):
    opened = traced([L.MaxPooling2D(2)], (4, 4, 1), (2, 2, 1))[0].open(i=1)
    plots.opening(opened, ax)
    shares = np.asarray(ax.images[1].get_array())
    assert shares.sum() == 1 and np.asarray(ax.images[0].get_array())[shares == 1] == opened.output


def test_a_strip_says_how_much_of_the_numbers_it_shows(ax):
    trace = traced([L.Conv2D(5, 1), L.Flatten(), L.Dense(101), L.Dense(100)], (2, 2, 1), (100,))
    plots.trace(trace, ax, count=3)
    shapes = [text.get_text() for text in ax.texts if text.get_text()[0].isdigit() and " to" not in text.get_text()]
    assert shapes == ["2x2x1", "2x2x5, the first 3", "20", "101, the first 96", "100"]


def test_an_opening_of_many_pixels_says_where_they_begin_and_end(ax):
    trace = traced([L.Conv2D(1, 9)], (12, 12, 1), (12, 12, 1))
    plots.opening(trace[0].open(i=1, j=11), ax)
    said = [text.get_text() for text in ax.texts]
    assert [text for text in said if text.startswith(("row", "col"))] == ["row 0", "row 5", "col 7", "col 11"]


def test_bars_of_what_is_not_finite_are_full_and_of_another_colour(ax):
    model = mc.Sequential([L.ReLU()], input_shape=(4,), dtype="float64", backend="reference")
    plots.trace(mc.trace(model, np.array([[np.nan, 1.0, np.nan, -1.0]])), ax)
    bars = ax.patches[:4]
    assert np.allclose([abs(bar.get_height()) for bar in bars], 0.42)
    assert len({bar.get_facecolor() for bar in bars}) == 3 and bars[0].get_facecolor() == bars[2].get_facecolor()


def test_shares_that_are_only_colours_are_said_in_numbers():
    for window, said in ((8, "largest share\n0.01562"), (2, None)):
        opened = traced([L.AveragePooling2D(window)], (8, 8, 1), (8 // window, 8 // window, 1))[0].open()
        ending = next(text.get_text() for text in plots.opening(opened).texts if "dy = " in text.get_text())
        assert said in ending if said else "largest" not in ending
        plt.close("all")

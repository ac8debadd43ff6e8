"""Pictures: every pixel in its place, on the right scale."""

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae import plots


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


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_error_map_is_the_squared_error_of_each_pixel(ax, channels):
    rng = np.random.default_rng(channels)
    x, x_hat = rng.random((2, 4, 6, 5, channels))
    plots.error_map(x, x_hat, ax, count=3)
    heat = np.ma.filled(ax.images[1].get_array(), np.nan)
    error = ((x - x_hat) ** 2).mean(3)
    assert heat.shape == (6, 3 * 5 + 2)
    for n in range(3):
        assert np.allclose(heat[:, 6 * n : 6 * n + 5], error[n])
    assert np.isclose(ax.images[1].norm.vmax, error[:3].max()) and ax.images[1].norm.vmin == 0
    assert [label.get_text() for label in ax.get_yticklabels()] == ["input", "output", "error"]
    assert "squared error" in ax.figure.axes[-1].get_ylabel()


def test_error_map_of_a_perfect_reconstruction_has_a_scale(ax):
    plots.error_map(np.ones((2, 4, 4, 1)), np.ones((2, 4, 4, 1)), ax)
    assert ax.images[1].norm.vmax > 0 and not np.nanmax(np.ma.filled(ax.images[1].get_array(), 0))


def tiles(ax, H, W, gap=1):
    """The pictures of a mosaic, in order."""
    page = np.ma.filled(ax.images[0].get_array(), np.nan)
    rows, columns = (page.shape[0] + gap) // (H + gap), (page.shape[1] + gap) // (W + gap)
    cut = [
        page[i * (H + gap) : i * (H + gap) + H, j * (W + gap) : j * (W + gap) + W]
        for i in range(rows)
        for j in range(columns)
    ]
    return [picture for picture in cut if not np.isnan(picture).any()]


def test_filters_shows_each_filter_of_one_channel_around_zero(ax):
    w = np.random.default_rng(0).standard_normal((3, 2, 4, 7)).astype("float32")
    plots.filters(w, ax, channel=2)
    shown = tiles(ax, 3, 2)
    assert len(shown) == 7 and all(np.array_equal(one, w[:, :, 2, f]) for f, one in enumerate(shown))
    assert ax.images[0].norm.vmin == -ax.images[0].norm.vmax == -abs(w[:, :, 2]).max()
    assert ax.get_title() == "7 filters, input channel 2 of 4" and ax.figure.axes[-1].get_ylabel() == "weight"


def test_filters_takes_at_most_count(ax):
    plots.filters(np.ones((3, 3, 1, 9)), ax, count=4)
    assert len(tiles(ax, 3, 3)) == 4 and ax.get_title() == "the first 4 of 9 filters"


@pytest.mark.parametrize("shape", [None, (2, 8)])
def test_filters_folds_dense_weights(ax, shape):
    w = np.random.default_rng(0).standard_normal((16, 3))
    plots.filters(w, ax, shape=shape)
    shape = shape or (4, 4)
    shown = tiles(ax, *shape)
    assert len(shown) == 3 and all(np.array_equal(one, w[:, f].reshape(shape)) for f, one in enumerate(shown))


def test_filters_takes_layers(ax):
    layer = L.Conv2DTranspose(5, 3)
    mc.Sequential([layer], input_shape=(4, 4, 2))
    plots.filters(layer, ax, channel=1)
    shown = tiles(ax, 3, 3)
    assert len(shown) == 5 and all(np.array_equal(one, layer.w[:, :, f, 1]) for f, one in enumerate(shown))
    conv = L.Conv2D(6, 3)
    mc.Sequential([conv], input_shape=(4, 4, 2))
    ax.clear()
    plots.filters(conv, ax)
    assert np.array_equal(tiles(ax, 3, 3)[5], conv.w[:, :, 0, 5])


@pytest.mark.parametrize("signed", [True, False])
def test_feature_maps_shows_channels_on_one_scale(ax, signed):
    y = np.random.default_rng(0).random((4, 5, 20)) - 0.5 * signed
    plots.feature_maps(y, ax)
    shown = tiles(ax, 4, 5)
    assert len(shown) == 16 and all(np.array_equal(one, y[..., c]) for c, one in enumerate(shown))
    limit = abs(y[..., :16]).max()
    assert (ax.images[0].norm.vmin, ax.images[0].norm.vmax) == (-limit if signed else 0, limit)
    assert ax.get_title() == "the first 16 of 20 channels"


def test_not_finite_values_keep_the_scale_of_the_others(ax):
    y = np.ones((4, 4, 2))
    y[0, 0, 0] = np.inf
    plots.feature_maps(y, ax)
    assert ax.images[0].norm.vmax == 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_has_a_colour_of_its_own(ax, channels, lost):
    x = np.random.default_rng(0).random((2, 4, 4, channels))
    x_hat = x.copy()
    x_hat[1, 2, 3, 0] = lost
    plots.error_map(x, x_hat, ax)
    pink = (1.0, 0.0, 200 / 255)
    shown, heat = ax.images
    found = []
    for image in (shown, heat):
        pixels = image.get_array()
        drawn = pixels if np.ndim(pixels) == 3 else image.cmap(image.norm(pixels))
        found.append(np.argwhere(np.isclose(drawn[..., :3], pink).all(-1)).tolist())
    assert found == [[[7, 8]], [[2, 8]]]  # the gaps are one pixel


def test_feature_maps_with_a_number_lost_still_have_a_scale_with_signs(ax):
    y = np.array([np.nan, -3.0, 1.0, 2.0]).reshape(2, 2, 1)
    plots.feature_maps(y, ax)
    assert (ax.images[0].norm.vmin, ax.images[0].norm.vmax) == (-3, 3)

"""Pictures of what goes through a model: samples and their reconstructions, errors, maps of features, weights.

Where a number is not finite, the pixel is pink, a colour that no scale has.
"""

import math

import numpy as np

from minicae import shapes
from minicae.errors import SettingError
from minicae.layers import Conv2DTranspose, Layer
from minicae.plots import _style


def reconstructions(x, x_hat, ax=None, count=10):
    """The first `count` samples of x, and below each its reconstruction. Returns the axes.

    Parameters
    ----------
    x, x_hat : arrays (N, H, W, C), (N, H, W) or (N, C); vectors are drawn as squares where they can be, else as strips
    count : columns at most
    """
    x, x_hat = _style.pair(x, x_hat, count)
    rows = [_style.pictures(array) for array in (x, x_hat)]
    ax = _style.axes(ax, (min(10.0, len(x) + 0.8), 2.2))
    H, W = rows[0].shape[1:3]
    colours = _style.GREY if H == W or np.ndim(x) > 2 else _style.POSITIVE  # white is the gap between strips
    _style.show(ax, _style.page(rows), *_style.data_range(*rows), colours)
    _style.bare(ax).set_yticks([(H - 1) / 2, H + _style.gap(rows[0]) + (H - 1) / 2], ["input", "output"])
    return ax


def error_map(x, x_hat, ax=None, count=5):
    """The first `count` samples, their reconstructions, and the squared error of each pixel as heat. Returns the axes.

    Parameters
    ----------
    x, x_hat : as in `reconstructions`; the error of a pixel is the mean over its channels
    count : columns at most
    """
    x, x_hat = _style.pair(x, x_hat, count)
    rows = [_style.pictures(array) for array in (x, x_hat)]
    error = np.square(x - x_hat)
    heat = _style.pictures(error.mean(3) if error.ndim == 4 else error)
    largest = float(heat.max(initial=0, where=np.isfinite(heat))) or 1.0
    ax = _style.axes(ax, (1.5 * len(x) + 1.2, 4.6))
    H, W = heat.shape[1:3]
    step = H + _style.gap(heat)
    colours = _style.GREY if H == W or np.ndim(x) > 2 else _style.POSITIVE
    _style.show(ax, _style.page(rows), *_style.data_range(*rows), colours)
    hot = _style.beyond(_style.page([heat]), 0, largest)
    height, width = hot.shape[:2]
    image = ax.imshow(
        hot[..., 0], _style.HEAT, vmin=0, vmax=largest, interpolation="nearest",
        extent=(-0.5, width - 0.5, 2 * step + height - 0.5, 2 * step - 0.5),
    )  # fmt: skip
    ax.set_xlim(-0.5, width - 0.5)
    ax.set_ylim(2 * step + height - 0.5, -0.5)
    _style.bare(ax).set_yticks([place * step + (H - 1) / 2 for place in range(3)], ["input", "output", "error"])
    _style.colour_bar(image, ax, "squared error of a pixel")
    return ax


def feature_maps(y, ax=None, count=16):
    """The first `count` channels of one image's activations, each as a picture on one common scale. Returns the axes.

    Parameters
    ----------
    y : (H, W, C), such as a convolution's output for one image, y[n]
    count : channels at most
    """
    count = shapes.integer(count, "count")
    y = _style.array(y, "y, the activations of one image,", (3,))
    shown = np.moveaxis(y, 2, 0)[:count, ..., None]
    image, ax = _mosaic(shown, ax, signed=bool((shown < 0).any()))
    _style.colour_bar(image, ax, "activation")
    ax.set_title(_first(len(shown), y.shape[2], "channel"), size=10)
    return ax


def filters(w_or_layer, ax=None, count=64, channel=0, shape=None):
    """The first `count` filters as pictures: blue weights are negative, red ones positive. Returns the axes.

    Parameters
    ----------
    w_or_layer : weights (KH, KW, C, F) of a convolution, or (inputs, units) of a dense layer; or a layer that has them
    count : filters at most
    channel : of a convolution, the input channel whose weights are drawn
    shape : of a dense layer, the (height, width) that the inputs of a unit have as a picture; None folds them to a
        square where they can be, else to a strip
    """
    count, channel = shapes.integer(count, "count"), shapes.integer(channel, "channel", 0)
    w = w_or_layer
    if isinstance(w, Layer):
        if getattr(w, "w", None) is None:
            raise SettingError(f"{w!r} has no weights w to draw: give a built Conv2D, Conv2DTranspose or Dense layer")
        w = w.w.swapaxes(2, 3) if isinstance(w, Conv2DTranspose) else w.w
    w = _style.array(w, "w", (2, 4))
    if w.ndim == 4:
        if channel >= w.shape[2]:
            raise SettingError(f"channel must be below {w.shape[2]}, the channels of w {w.shape}, got {channel}")
        shown, noun = np.moveaxis(w[:, :, channel], 2, 0), "filter"
        which = f", input channel {channel} of {w.shape[2]}" if w.shape[2] > 1 else ""
    else:
        shown, noun, which = w.T, "unit", ""
        if shape is not None:
            shape = shapes.pair(shape, "shape")
            if shapes.count(shape) != w.shape[0]:
                raise SettingError(f"shape {shape} does not hold the {w.shape[0]} inputs of a unit")
            shown = shown.reshape(-1, *shape)
    shown = _style.pictures(shown[:count])
    image, ax = _mosaic(shown, ax, signed=True)
    _style.colour_bar(image, ax, "weight")
    ax.set_title(_first(len(shown), w.shape[-1], noun) + which, size=10)
    return ax


def _mosaic(images, ax, signed):
    """(matplotlib's image, axes): pictures (n, H, W, 1) in rows that make the page about as wide as high or wider."""
    n, H, W, _ = images.shape
    columns = min(n, max(1, math.ceil(math.sqrt(1.6 * n * H / W))))
    rows = _style.in_rows(images, columns)
    ratio = len(rows) * H / (columns * W)
    ax = _style.axes(ax, (7.0, min(9.0, max(1.5, 6.0 * ratio + 0.4))))
    limit = _style.signed_limit(images)
    low = -limit if signed else 0.0
    colours = _style.SIGNED if signed else _style.POSITIVE
    image = _style.show(_style.bare(ax), _style.page(rows), low, limit, colours)
    return image, ax


def _first(count, total, noun):
    return f"{total} {noun}{'s' * (total > 1)}" if count == total else f"the first {count} of {total} {noun}s"

"""What all figures share: colours, axes, samples as pictures, and pictures side by side on one page.

The ten colours can be told apart with any kind of colour vision, and in print; classes are also named where they lie.
Numbers with a sign are drawn on a scale that is white at 0, blue below and red above.
Source of the colours: Petroff, "Accessible Color Sequences for Data Visualization", arXiv:2107.02270 (2021).
"""

import math

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from minicae import shapes
from minicae.errors import DataError, SettingError, ShapeError

COLOURS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
QUIET = "#555555"
GAP = "#d5d8dc"  # between pictures whose own colours include white
NOT_FINITE = "#ff00c8"  # in no scale below: NaN and infinities, which `page` makes infinite
SIGNED = matplotlib.colormaps["RdBu_r"].with_extremes(bad=GAP, over=NOT_FINITE)
POSITIVE = matplotlib.colormaps["viridis"].with_extremes(over=NOT_FINITE)
HEAT = matplotlib.colormaps["magma"].with_extremes(over=NOT_FINITE)
GREY = matplotlib.colormaps["gray"].with_extremes(over=NOT_FINITE)


def axes(ax, size) -> Axes:
    """`ax` itself, or axes of a new figure of this size, (width, height) in inches; SettingError for what is no axes."""
    if ax is None:
        return plt.subplots(figsize=size, layout="compressed")[1]
    if not isinstance(ax, Axes):
        raise SettingError(
            f"ax must be one matplotlib axes, such as plt.subplots()[1], or None, got {type(ax).__name__}"
        )
    return ax


def inches(ax) -> tuple[float, float]:
    """(width, height) of the axes."""
    box = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
    return box.width, box.height


def bare(ax):
    """Axes without ticks and frame: what is in them says all."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def open_frame(ax):
    """Axes with a frame on the left and below only."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def array(x, name, ranks) -> np.ndarray:
    """x as float64, not empty, with one of these numbers of axes; DataError or ShapeError otherwise."""
    try:
        x = np.asarray(x, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} must be an array of numbers, got {type(x).__name__}") from None
    if x.ndim not in ranks:
        wanted = " or ".join(map(str, ranks))
        raise ShapeError(f"{name} must have {wanted} axes, got the shape {x.shape}")
    if not x.size:
        raise DataError(f"{name} is empty: its shape is {x.shape}")
    return x


def pair(x, x_hat, count=None) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` of two arrays of samples of one shape; None takes all."""
    count = None if count is None else shapes.integer(count, "count")
    x, x_hat = array(x, "x", (2, 3, 4)), array(x_hat, "x_hat", (2, 3, 4))
    if x.shape != x_hat.shape:
        raise ShapeError(f"x and x_hat must have the same shape, got {x.shape} and {x_hat.shape}")
    return x[:count], x_hat[:count]


def pictures(x) -> np.ndarray:
    """x as images (N, H, W, 1 or 3): vectors folded into squares or stood on end, other channel counts averaged."""
    x = np.asarray(x, np.float64)
    if x.ndim == 2:
        side = math.isqrt(x.shape[1])
        wide = max(1, x.shape[1] // 3)
        x = x.reshape(-1, side, side) if side > 1 and side**2 == x.shape[1] else np.repeat(x[..., None], wide, 2)
    if x.ndim == 3:
        x = x[..., None]
    return x if x.shape[3] in (1, 3) else x.mean(3, keepdims=True)


def gap(images) -> int:
    """Pixels between pictures."""
    return max(1, round(0.08 * min(images.shape[1:3])))


def page(rows) -> np.ndarray:
    """Rows of pictures, (n, H, W, C) each, on one page; what lies between them is NaN, or white if they have colours.

    Numbers that are not finite become infinities, so that a scale can tell them from what lies between.
    """
    H, W, C = rows[0].shape[1:]
    space, columns = gap(rows[0]), max(map(len, rows))
    size = len(rows) * (H + space) - space, columns * (W + space) - space, C
    made = np.full(size, np.nan if C == 1 else 1.0)
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            top, left = row * (H + space), column * (W + space)
            made[top : top + H, left : left + W] = np.where(np.isfinite(image), image, np.inf)
    return made


def beyond(made, low, high) -> np.ndarray:
    """A page whose infinities are a number above `high`, which matplotlib draws in the colour for those."""
    return np.where(np.isinf(made), 2 * high - low, made)


def show(ax, made, low, high, colours=GREY):
    """Draw a page with values from `low` to `high`. Returns matplotlib's image."""
    if made.shape[2] == 1:
        made = beyond(made, low, high)
        return ax.imshow(made[..., 0], cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    lost = np.isinf(made).any(2, keepdims=True)
    scaled = np.clip((made - low) / max(high - low, 1e-300), 0, 1)
    return ax.imshow(np.where(lost, matplotlib.colors.to_rgb(NOT_FINITE), scaled), interpolation="nearest")


def in_rows(images, columns) -> list:
    """Pictures cut into rows of this many."""
    return [images[first : first + columns] for first in range(0, len(images), columns)]


def data_range(*arrays) -> tuple[float, float]:
    """0..1, or as much more as the data need."""
    finite = [one[np.isfinite(one)] for one in arrays]
    return min(0.0, *(one.min(initial=0) for one in finite)), max(1.0, *(one.max(initial=1) for one in finite))


def signed_limit(values) -> float:
    """The largest absolute value that is finite, for a scale around 0; 1 where there is none."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0)) or 1.0


def colour_bar(image, ax, label):
    """A scale beside the axes, with the name of what the colours stand for."""
    bar = ax.figure.colorbar(image, ax=ax, label=label, fraction=0.04, pad=0.02)
    bar.outline.set_visible(False)
    return bar

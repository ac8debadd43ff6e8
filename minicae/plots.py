"""Pictures of a model: its reconstructions, its code, how it learned. The one place where figures are drawn.

Each function draws into the axes it is given, new ones where `ax` is None, and returns them; nothing is shown or saved
here. `report_figure` puts all of them on one page. The ten colours can be told apart with any kind of colour vision,
and classes are also named where they lie.

Source of the colours: Petroff, "Accessible Color Sequences for Data Visualization", arXiv:2107.02270 (2021).
"""

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

COLOURS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
QUIET = "#555555"
LOSSES = {
    "BinaryCrossEntropy": "cross-entropy, nats",
    "MeanSquaredError": "squared error",
    "MeanAbsoluteError": "absolute error",
}


def reconstructions(x, x_hat, ax=None, count=10):
    """The first `count` samples of x, and below each its reconstruction.

    Parameters
    ----------
    x, x_hat : arrays (N, H, W, C), (N, H, W) or (N, C); vectors are drawn as squares where they can be, else as strips
    count : columns at most
    """
    ax = _axes(ax, (min(count, len(x)), 2.2))
    rows = [_pictures(array[:count]) for array in (x, x_hat)]
    H, W = rows[0].shape[1:3]
    gap = max(1, round(0.08 * min(H, W)))
    grey = rows[0].shape[3] == 1
    page = np.full((2 * H + gap, len(rows[0]) * (W + gap) - gap, rows[0].shape[3]), np.nan if grey else 1.0)
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            top, left = row * (H + gap), column * (W + gap)
            page[top : top + H, left : left + W] = picture
    low, high = min(0.0, rows[0].min(initial=0)), max(1.0, rows[0].max(initial=1))
    if grey:
        colours = "gray" if H == W or np.ndim(x) > 2 else "viridis"  # white is the gap between strips
        ax.imshow(page[..., 0], cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    else:
        ax.imshow(np.clip((page - low) / (high - low), 0, 1), interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([(H - 1) / 2, H + gap + (H - 1) / 2], ["input", "output"])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def learning_curve(history, ax=None, quantity="loss"):
    """The loss after each epoch, in training and in validation, and the loss of the mean image, which uses no input.

    Parameters
    ----------
    history : what `fit` returns
    quantity : label of the vertical axis
    """
    ax = _axes(ax, (5, 3.6))
    for key, label, colour, marker in (
        ("reconstruction", "training", COLOURS[0], "o"),
        ("val_reconstruction", "validation", COLOURS[2], "s"),
    ):
        if key in history.history:
            ax.plot(history.epoch, history.history[key], marker + "-", color=colour, label=label, ms=5, lw=1.8)
    if history.baseline is not None:
        ax.axhline(history.baseline, color=QUIET, ls="--", lw=1.2, label="mean image for every input")
    ax.set_ylim(bottom=0)
    ax.margins(x=0.06)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_xlabel("epoch")
    ax.set_ylabel(quantity)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="lower left")
    return ax


def code_map(codes, labels=None, ax=None):
    """Codes as points in a plane: as they are if they have two numbers, else along their two main directions.

    Parameters
    ----------
    codes : (N, d) or (N, ...), flattened
    labels : (N,) the classes, which colour the points; None draws all alike
    """
    ax = _axes(ax, (5, 5))
    codes = np.asarray(codes, np.float64).reshape(len(codes), -1)
    points, names = codes, ("code[0]", "code[1]")
    if codes.shape[1] != 2:
        points, shares = principal_axes(codes)
        names = [
            f"{which} principal axis of the code ({share:.0%} of its variance)"
            for which, share in zip(("first", "second"), shares)
        ]
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_aspect("equal", adjustable="datalim")
    labels = None if labels is None else np.asarray(labels)
    classes = [] if labels is None else np.unique(labels)
    if not 1 < len(classes) <= len(COLOURS):
        ax.scatter(*points.T, s=9, color=COLOURS[0], alpha=0.6, lw=0)
        return ax
    halo = [patheffects.withStroke(linewidth=3, foreground="white")]
    for label, colour in zip(classes, COLOURS):
        own = points[labels == label]
        ax.scatter(*own.T, s=11, color=colour, alpha=0.65, lw=0, label=str(label))
    for label in classes:
        centre = np.median(points[labels == label], axis=0)
        ax.text(*centre, str(label), size=14, weight="bold", ha="center", va="center", path_effects=halo)
    ax.legend(
        loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, markerscale=2, handletextpad=0.1, borderaxespad=0
    )
    return ax


def principal_axes(codes):
    """(points (N, 2), shares (2,)): codes (N, d) along their two widest directions, and the variance that each holds."""
    centred = codes - codes.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    u, s = (np.pad(array[..., :2], [(0, 0)] * (array.ndim - 1) + [(0, max(0, 2 - len(s)))]) for array in (u, s))
    points = u * s
    # a principal axis has no sign of its own: the farthest point is put on the positive side
    far = points[np.abs(points).argmax(0), [0, 1]]
    return points * np.where(far < 0, -1, 1), np.square(s) / max(np.square(centred).sum(), 1e-300)


def report_figure(x, x_hat, codes=None, history=None, labels=None, title="", loss=None):
    """One page on a model: reconstructions, and below them, where given, the code's plane and the learning curve.

    Parameters
    ----------
    x, x_hat : samples (N, ...) and their reconstructions; with labels, one of each class is drawn
    codes : (N, ...) their codes
    history : what `fit` returned
    labels : (N,) their classes
    title : above everything
    loss : the model's loss, which names the unit of the curve

    Returns the figure, ready for `savefig`.
    """
    drawn = _one_of_each(labels, len(x), 10)
    if codes is None or history is None:
        figure = Figure(figsize=(10, 2.4), layout="constrained")
        reconstructions(x[drawn], x_hat[drawn], figure.subplots())
    else:
        figure = Figure(figsize=(10, 7.6), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
        top, bottom = figure.subfigures(2, 1, height_ratios=(2.1, 5))
        left, right = bottom.subplots(1, 2, width_ratios=(1.3, 1))
        reconstructions(x[drawn], x_hat[drawn], top.subplots())
        code_map(codes, labels, left).set_title("the code in two dimensions")
        learning_curve(history, right, _quantity(loss, np.ndim(x))).set_title("the learning curve")
    if title:
        figure.suptitle(title, size=13, weight="bold")
    return figure


def _axes(ax, size):
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def _pictures(x):
    """x as images (N, H, W, 1 or 3): vectors folded into squares or stood on end, other channel counts averaged."""
    x = np.asarray(x, np.float64)
    if x.ndim == 2:
        side = math.isqrt(x.shape[1])
        wide = max(1, x.shape[1] // 3)
        x = x.reshape(-1, side, side) if side > 1 and side**2 == x.shape[1] else np.repeat(x[..., None], wide, 2)
    if x.ndim == 3:
        x = x[..., None]
    return x if x.shape[3] in (1, 3) else x.mean(3, keepdims=True)


def _one_of_each(labels, n, count):
    """Indices of `count` of n samples: the first of each class, then whichever come first."""
    firsts = [] if labels is None else np.unique(labels, return_index=True)[1][:count].tolist()
    return (firsts + [index for index in range(n) if index not in firsts])[:count]


def _quantity(loss, rank):
    """Label of a loss with its unit."""
    if loss is None:
        return "loss"
    each = "image" if getattr(loss, "reduction", "mean") == "per_image" else "pixel" if rank > 2 else "number"
    return f"{LOSSES.get(type(loss).__name__, 'loss')} per {each}"

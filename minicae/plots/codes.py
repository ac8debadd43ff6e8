"""Pictures of codes: as points in a plane, as a map of what they decode to, and as walks from one sample to another."""

import numpy as np
from matplotlib import patheffects

from minicae import shapes
from minicae.errors import DataError, ShapeError, short
from minicae.plots import _style

NAMED = 30  # classes at most whose names are written into the plane


def latent_scatter(codes, labels=None, ax=None):
    """Codes as points in a plane: as they are if they have one number or two, else along their two main directions.

    Parameters
    ----------
    codes : (N, d) or (N, ...), flattened
    labels : (N,) the classes. Up to ten colour the points; up to thirty are named where they lie, long names cut short; with
        more, with one, and with None all points are drawn alike

    Returns the axes.
    """
    codes = _style.array(codes, "codes", range(1, 9))
    codes = codes.reshape(len(codes), -1)
    if not np.isfinite(codes).all():
        raise DataError(f"codes hold {np.count_nonzero(~np.isfinite(codes))} values that are not finite")
    labels = None if labels is None else np.asarray(labels)
    if labels is not None and labels.shape != codes.shape[:1]:
        raise ShapeError(f"labels must be one a code, ({len(codes)},), got {labels.shape}")
    ax = _style.axes(ax, (6, 5))
    points, names = codes, ("code[0]", "code[1]")
    if codes.shape[1] == 1:
        points, names = np.pad(codes, [(0, 0), (0, 1)]), ("code[0]", "")
        ax.set_yticks([])
    elif codes.shape[1] > 2:
        points, shares = principal_axes(codes)
        names = [
            f"{which} principal axis of the code ({share:.0%} of its variance)"
            for which, share in zip(("first", "second"), shares)
        ]
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    _style.open_frame(ax).set_aspect("equal", adjustable="datalim")
    names, places = ([], None) if labels is None else class_names(labels)
    coloured = 1 < len(names) <= len(_style.COLOURS)
    if coloured:
        for place, (name, colour) in enumerate(zip(names, _style.COLOURS)):
            own = points[places == place]
            ax.scatter(*own.T, s=11, color=colour, alpha=0.65, lw=0, label=short(name, 24))
    else:
        ax.scatter(*points.T, s=9, color=_style.COLOURS[0], alpha=0.6, lw=0)
    halo = [patheffects.withStroke(linewidth=3, foreground="white")]
    for place, name in enumerate(names if 1 < len(names) <= NAMED else ()):
        centre = np.median(points[places == place], axis=0)
        text = short(name, 14)
        ax.text(*centre, text, size=14, weight="bold", ha="center", va="center", path_effects=halo)
    if not coloured:
        return ax
    ax.legend(
        loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, markerscale=2, handletextpad=0.1, borderaxespad=0
    )
    return ax


def class_names(labels):
    """(names, places): the classes among labels (N,), in their order and as text, and (N,) which of them each one is."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iufb":
        labels = np.array([str(label) for label in labels.tolist()])
    classes, places = np.unique(labels, return_inverse=True)
    return [str(name) for name in classes], places


def principal_axes(codes):
    """(points (N, 2), shares (2,)): codes (N, d) along their two widest directions, and the variance that each holds."""
    centred = codes - codes.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    u, s = (np.pad(array[..., :2], [(0, 0)] * (array.ndim - 1) + [(0, max(0, 2 - len(s)))]) for array in (u, s))
    points = u * s
    # a principal axis has no sign of its own: the farthest point is put on the positive side
    far = points[np.abs(points).argmax(0), [0, 1]]
    return points * np.where(far < 0, -1, 1), np.square(s) / max(np.square(centred).sum(), 1e-300)


def latent_grid(grid, ax=None, extent=2.0):
    """What the plane of a code of two numbers decodes to. Returns the axes.

    Parameters
    ----------
    grid : (n, n, H, W, C), (n, n, H, W) or (n, n, D): what `tasks.sample_grid` gives
    extent : that `sample_grid` was given: the outermost codes
    """
    grid = _style.array(grid, "grid", (3, 4, 5))
    extent = shapes.number(extent, "extent", 0, without=(0,))
    if grid.shape[0] != grid.shape[1]:
        raise ShapeError(f"grid must be (n, n, ...), as tasks.sample_grid gives it, got the shape {grid.shape}")
    n = len(grid)
    images = _style.pictures(grid.reshape(n * n, *grid.shape[2:]))
    ax = _style.axes(ax, (6.5, min(10.0, 6.5 * images.shape[1] / images.shape[2])))
    made = _style.page(_style.in_rows(images, n))
    _style.show(_style.bare(ax), made, *_style.data_range(images))
    H, W = images.shape[1:3]
    height, width = made.shape[:2]
    numbers = [f"{value:g}" for value in (-extent, 0, extent)]
    ax.set_xticks([W / 2 - 0.5, width / 2 - 0.5, width - W / 2 - 0.5], numbers)
    ax.set_yticks([height - H / 2 - 0.5, height / 2 - 0.5, H / 2 - 0.5], numbers)
    ax.set_xlabel("code[0]")
    ax.set_ylabel("code[1]")
    return ax


def interpolation(images, ax=None):
    """Walks from one sample to another, one a row, from left to right. Returns the axes.

    Parameters
    ----------
    images : what `tasks.interpolate` gives: one walk, (steps, H, W, C) or (steps, D), or several, (N, steps, H, W, C) or
        (N, steps, D)
    """
    images = _style.array(images, "images", (2, 3, 4, 5))
    if images.ndim in (2, 4):
        images = images[None]
    N, steps = images.shape[:2]
    shown = _style.pictures(images.reshape(N * steps, *images.shape[2:]))
    H, W = shown.shape[1:3]
    ax = _style.axes(ax, (9.0, min(10.0, 9.0 * N * H / (steps * W) + 0.5)))
    made = _style.page(_style.in_rows(shown, steps))
    _style.show(_style.bare(ax), made, *_style.data_range(shown))
    ends = (W - 1) / 2, made.shape[1] - 1 - (W - 1) / 2
    ax.set_xticks(ends, ["from", "to"])
    return ax

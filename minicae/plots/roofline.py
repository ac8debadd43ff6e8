"""The roofline: how fast kernels run, over how many operations they do with each byte, below what the machine allows.

Source: Williams, Waterman and Patterson, "Roofline: an insightful visual performance model" (2009).
"""

import numpy as np

from minicae import shapes
from minicae.errors import SettingError
from minicae.plots import _style


def roofline(rows, peak_gflops, bandwidth_gbs, ax=None, groups=None, limits=("arithmetic", "memory")):
    """GFLOP/s over operations a byte, one point a row, below min(peak, bandwidth * operations a byte). Returns the axes.

    Left of the ridge, at peak / bandwidth operations a byte, memory is the limit; right of it, arithmetic is.

    Parameters
    ----------
    rows : [(name, operations a byte, GFLOP/s), ...]; both numbers above 0
    peak_gflops : what arithmetic alone reaches, GFLOP/s
    bandwidth_gbs : what memory alone reaches, GB/s
    groups : for each row (label, colour), for a legend; None draws all alike
    limits : how the two limits were measured, in words
    """
    peak = shapes.number(peak_gflops, "peak_gflops", 0, without=(0,))
    bandwidth = shapes.number(bandwidth_gbs, "bandwidth_gbs", 0, without=(0,))
    points = _checked(rows)
    groups = [(None, _style.COLOURS[0])] * len(points) if groups is None else list(groups)
    if len(groups) != len(points):
        raise SettingError(f"groups must be one (label, colour) a row: {len(points)} rows, got {len(groups)}")
    ax = _style.axes(ax, (9, 6.5))
    ridge, right = peak / bandwidth, max(x for _, x, _ in points)
    low, high = min(ridge, *(x for _, x, _ in points)) / 3, max(right, 2 * ridge) * 100
    x = np.geomspace(low, high, 200)
    ax.loglog(x, np.minimum(peak, x * bandwidth), color="black", lw=1.5)
    ax.set_xlim(low, high)
    ax.set_ylim(min(y for *_, y in points) / 2, 2.2 * max(peak, max(y for *_, y in points)))
    ax.text(ridge, peak * 1.1, f"{limits[0]}: {peak:,.0f} GFLOP/s", ha="right", size=9)
    ax.text(ridge / 8, peak / 6, f"{limits[1]}: {bandwidth:,.0f} GB/s", ha="right", size=9)
    for (_, x, y), (label, colour) in zip(points, groups):
        ax.plot(x, y, "o", color=colour, label=label, ms=6)
    ax.set_xlabel("operations a byte")
    ax.set_ylabel("GFLOP/s")
    ax.grid(True, which="major", lw=0.4)
    ax.set_axisbelow(True)
    _label(ax, [point for point in points if point[1] > 1], right * 1.6)
    few = [point for point in points if point[1] <= 1]
    _label(ax, few, 3 * max((x for _, x, _ in few), default=1.0))
    handles, labels = ax.get_legend_handles_labels()
    if labels:
        once = {label: handle for handle, label in zip(handles, labels)}
        ax.legend(once.values(), once.keys(), loc="lower center")
    return ax


def _checked(rows):
    """rows as (name, float, float); SettingError for what is none."""
    try:
        points = [(str(name), float(x), float(y)) for name, x, y in rows]
    except (TypeError, ValueError):
        raise SettingError("rows must be a list of (name, operations a byte, GFLOP/s)") from None
    if not points:
        raise SettingError("rows is empty: give at least one (name, operations a byte, GFLOP/s)")
    for name, x, y in points:
        if not (0 < x < np.inf and 0 < y < np.inf):
            raise SettingError(f"{name}: operations a byte and GFLOP/s must be finite and above 0, got {x:g} and {y:g}")
    return points


def _label(ax, points, x):
    """The names of points, side by side in one column at `x`, as near to their points as they can be read."""
    points = sorted(points, key=lambda point: point[2])
    wanted = [np.log10(y) for *_, y in points]
    apart = 0.028 * np.subtract(*np.log10(ax.get_ylim())[::-1])
    up, down = list(wanted), list(wanted)
    for place in range(1, len(points)):
        up[place] = max(up[place], up[place - 1] + apart)
        down[-1 - place] = min(down[-1 - place], down[-place] - apart)
    for (name, at, y), above, below in zip(points, up, down):
        ax.annotate(
            name, (at, y), (x, 10 ** ((above + below) / 2)), fontsize=8, va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
            arrowprops={"arrowstyle": "-", "lw": 0.4, "shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip

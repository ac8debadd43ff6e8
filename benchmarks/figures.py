"""Two figures of a training step: its kernels one by one, and all of them below the machine's roof.

Source of the roofline: Williams, Waterman and Patterson, "Roofline" (2009).
"""

import numpy as np
from matplotlib.figure import Figure

FORWARD, BACKWARD, OTHER = "#3f90da", "#e76300", "#717581"  # told apart with any kind of colour vision
WIDTH, DPI = 9.0, 100  # inches, pixels an inch: 900 pixels wide
ONE = 1.0  # operations counted for each number that a kernel without products writes


def kind(kernel):
    """("forward" | "backward" | "update", colour) of a kernel."""
    if kernel.endswith("_forward"):
        return "forward", FORWARD
    return ("backward", BACKWARD) if "backward" in kernel else ("update", OTHER)


def draw(folder, content):
    """Write step.png and roofline.png from a saved step. Returns their paths."""
    paths = folder / "step.png", folder / "roofline.png"
    for path, figure in zip(paths, (step(content), roofline(content))):
        figure.savefig(path, dpi=DPI)
    return paths


def step(content) -> Figure:
    """A bar for each kernel, in the order in which they run."""
    rows = content["profile"]
    figure = Figure(figsize=(WIDTH, 1.3 + 0.27 * len(rows)), layout="constrained")
    axes = figure.subplots()
    longest = max(row["ms"] for row in rows)
    for place, row in enumerate(rows):
        label, colour = kind(row["kernel"])
        axes.barh(place, row["ms"], color=colour, label=label)
        axes.text(row["ms"] + 0.01 * longest, place, f"{row['ms']:.3g}", va="center", fontsize=9)
    names = [f"{row['layer']}  {row['kernel']}" for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=9)
    axes.set_xlim(0, 1.1 * longest)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("milliseconds")
    rest = max(0.0, content["step_ms"] - sum(row["ms"] for row in rows))
    axes.set_title(f"{content['title']}:\n{content['step_ms']:.3g} ms, {rest:.2g} of them between kernels", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    _legend(axes, "lower right")
    return figure


def roofline(content) -> Figure:
    """GFLOP/s over operations a byte, one point a kernel and size, below what multiply-adds and memory allow."""
    peak, copy = content["peak"], content["copy"]
    figure = Figure(figsize=(WIDTH, 6.5), layout="constrained")
    axes = figure.subplots()
    points = _points(content["profile"])
    ridge, right = peak / copy, max(x for x, *_ in points)
    low, high = min(x for x, *_ in points) / 3, max(right, 2 * ridge) * 100
    x = np.geomspace(low, high, 200)
    axes.loglog(x, np.minimum(peak, x * copy), color="black", lw=1.5)
    axes.text(ridge, peak * 1.1, f"multiply-adds in registers: {peak:,.0f} GFLOP/s", ha="right", fontsize=9)
    axes.text(ridge / 8, copy * ridge / 6, f"copy of large arrays: {copy:.0f} GB/s", ha="right", fontsize=9)
    for x, y, name, _ in points:
        label, colour = kind(name)
        axes.plot(x, y, "o", color=colour, label=label, ms=6)
    axes.set_xlim(low, high)
    axes.set_ylim(min(y for _, y, *_ in points) / 2, 2.2 * max(peak, max(y for _, y, *_ in points)))
    axes.set_xlabel("operations a byte (arrays read or written once; kernels without products: one for each number)")
    axes.set_ylabel("GFLOP/s, counted as direct work")
    axes.set_title(f"{content['title']}: the roofline of this machine", fontsize=11)
    axes.grid(True, which="major", lw=0.4)
    _label(axes, [point for point in points if point[0] > 1], right * 1.6)
    _label(axes, [point for point in points if point[0] <= 1], low * 4.2)
    _legend(axes, "lower center")
    return figure


def _points(rows):
    """(operations a byte, GFLOP/s, kernel, layers): layers that do the same work with the same kernel are one point."""
    groups = {}
    for row in rows:
        flops = row["flops"] or ONE * row["nbytes"] / 4
        groups.setdefault((row["kernel"], f"{flops / row['nbytes']:.3g}"), []).append((flops, row))
    found = []
    for (kernel, _), group in groups.items():
        flops = sum(one for one, _ in group)
        layers = [row["layer"] for _, row in group if "[" in row["layer"]]
        intensity = flops / sum(row["nbytes"] for _, row in group)
        found.append((intensity, flops / sum(row["ms"] for _, row in group) / 1e6, kernel, layers))
    return found


def _label(axes, points, x):
    """The names of points, side by side in one column at `x`, as near to their points as they can be read."""
    points = sorted(points, key=lambda point: point[1])
    wanted = [np.log10(y) for _, y, *_ in points]
    decades = np.subtract(*np.log10(axes.get_ylim())[::-1])
    apart = 0.028 * decades
    up, down = list(wanted), list(wanted)
    for place in range(1, len(points)):
        up[place] = max(up[place], up[place - 1] + apart)
        down[-1 - place] = min(down[-1 - place], down[-place] - apart)
    for (at, y, kernel, layers), above, below in zip(points, up, down):
        text = kernel.removeprefix("conv2d_") + (f"  {', '.join(layers)}" if layers and at > 1 else "")
        axes.annotate(
            text, (at, y), (x, 10 ** ((above + below) / 2)), fontsize=8, va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
            arrowprops={"arrowstyle": "-", "lw": 0.4, "shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip


def _legend(axes, place):
    """One entry a colour."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(*zip(*{label: (handle, label) for handle, label in zip(handles, labels)}.values()), loc=place)

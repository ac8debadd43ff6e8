"""Two figures of a training step: its kernels one by one, and all of them below the machine's roof.

The roofline itself is drawn by `minicae.plots`.
"""

from matplotlib.figure import Figure

from minicae import plots

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
    figure = Figure(figsize=(WIDTH, 6.5), layout="constrained")
    axes = figure.subplots()
    points = _points(content["profile"])
    rows, groups = [], []
    for intensity, gflops, kernel, layers in points:
        named = f"  {', '.join(layers)}" if layers and intensity > 1 else ""
        rows.append((kernel.removeprefix("conv2d_") + named, intensity, gflops))
        groups.append(kind(kernel))
    limits = "multiply-adds in registers", "copy of large arrays"
    plots.roofline(rows, content["peak"], content["copy"], axes, groups, limits)
    axes.set_xlabel("operations a byte (arrays read or written once; kernels without products: one for each number)")
    axes.set_ylabel("GFLOP/s, counted as direct work")
    axes.set_title(f"{content['title']}: the roofline of this machine", fontsize=11)
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


def _legend(axes, place):
    """One entry a colour."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(*zip(*{label: (handle, label) for handle, label in zip(handles, labels)}.values()), loc=place)

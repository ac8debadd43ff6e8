"""A pass through a model as a picture: each layer's activations with their gradients, and one number with what made it."""

import math

import numpy as np
from matplotlib.patches import Rectangle

from minicae import shapes
from minicae.errors import SettingError
from minicae.plots import _style

BARS = 96  # numbers of a vector that are drawn as bars
VECTOR = 3  # width of the strip of a vector, in heights of a row
LABEL, SCALE = 4.0, 1.9  # widths of the columns of text, in heights of a row
WRITTEN = 5  # rows or columns of a matrix whose numbers can be written into their cells
TITLE = 0.45  # height of the title of an opening, in inches
CHANNELS = 3  # channels of a kernel that are drawn
INPUTS = 10  # of a dense layer, where they cannot be folded


def trace(trace, ax=None, n=0, count=6):
    """Sample n on its way through a model, one layer a row: what the layer made of it, and the gradient of that.

    At the left the input and the output y of each layer, the first `count` channels of images, vectors as bars; at the right
    dy, the gradient of the objective with respect to the same numbers. Each strip has a scale of its own, written beside it;
    where numbers have both signs, white is 0, blue negative and red positive.

    Parameters
    ----------
    trace : what `minicae.trace` gives
    n : sample of the batch
    count : channels at most

    Returns the axes. Raises SettingError for what is no trace, and for a sample that it does not have.
    """
    if not hasattr(trace, "forward") or not hasattr(trace, "dx"):
        raise SettingError(f"trace needs what minicae.trace gives, got {type(trace).__name__}")
    n, count = shapes.integer(n, "n", 0), shapes.integer(count, "count")
    first = trace.forward[0]
    if n >= len(first.input):
        raise SettingError(f"n must be below {len(first.input)}, the samples of the trace, got {n}")
    rows = [("input", "", first.input[n], trace.dx[n])]
    rows += [(step.name, type(step.layer).__name__, step.output[n], step.twin.input[n]) for step in trace.forward]
    count = max(min(count, y.shape[2]) if y.ndim == 3 else min(count, VECTOR) for _, _, y, _ in rows)
    wide, high = LABEL + 2 * (count + SCALE), len(rows)
    ax = _style.axes(ax, (min(10.0, 0.6 * wide), min(10.0, 0.6 * wide) * (high + 0.8) / wide))
    size = min(9.0, 72 * _style.inches(ax)[0] / wide * 0.25)
    starts = LABEL, LABEL + count + SCALE
    for start, text in zip(starts, ("y, forward", "dy, backward")):
        ax.text(start, -0.35, text, size=1.15 * size, weight="bold", va="bottom")
    for place, (name, kind, *arrays) in enumerate(rows):
        shape = _seen(arrays[0].shape, count)
        ax.text(0, place + 0.36, f"{name} {kind}", size=size, va="center", weight="bold")
        ax.text(0, place + 0.7, shape, size=size, va="center", color=_style.QUIET)
        for start, values, signed in zip(starts, arrays, (False, True)):
            end = _strip(ax, values.astype(np.float64), start, place, count, signed)
            ax.text(end + 0.15, place + 0.5, _scale(values), size=0.9 * size, va="center", color=_style.QUIET)
    ax.set_xlim(-0.1, wide)
    ax.set_ylim(high + 0.1, -0.9)
    _style.bare(ax).set_aspect("equal")
    return ax


def _seen(shape, count):
    """A shape, and how much of it the strip shows, where that is not all."""
    channels = shape[2] if len(shape) == 3 else 1
    if channels > count:
        return f"{'x'.join(map(str, shape))}, the first {count}"
    long = len(shape) != 3 and shapes.count(shape) > BARS and not _folds(shape)
    return "x".join(map(str, shape)) + (f", the first {BARS}" if long else "")


def _folds(shape):
    """Whether a vector is drawn as a square, or an image without channels as what it is."""
    return len(shape) == 2 or math.isqrt(shape[0]) ** 2 == shape[0]


def _strip(ax, values, left, top, count, signed):
    """Draw one sample's numbers in a strip of height 1 and width `count`. Returns where it ends."""
    limit = _style.signed_limit(values)
    signed = signed or bool((values < 0).any())
    values = values[..., None] if values.ndim == 2 else values  # an image without a channel axis
    if values.ndim == 3:
        images = np.moveaxis(values, 2, 0)[:count, ..., None]
    elif values.ndim == 1 and values.size > BARS and _folds(values.shape):
        images = _style.pictures(values[None])
    else:
        return _bars(ax, values.reshape(-1)[:BARS], left, top, count, limit)
    made = _style.page([images])
    height, width = 0.9, 0.9 * made.shape[1] / made.shape[0]
    shrunk = min(1.0, count / width)
    height, width = height * shrunk, width * shrunk
    colours, low = (_style.SIGNED, -limit) if signed else (_style.GREY, 0.0)
    ax.imshow(
        _style.beyond(made, low, limit)[..., 0], colours, vmin=low, vmax=limit, interpolation="nearest", aspect="equal",
        extent=(left, left + width, top + 0.5 + height / 2, top + 0.5 - height / 2),
    )  # fmt: skip
    ax.add_patch(Rectangle((left, top + 0.5 - height / 2), width, height, fill=False, ec=_style.QUIET, lw=0.4))
    return left + width


def _bars(ax, values, left, top, count, limit):
    """Numbers as bars up and down from a line. Returns where they end."""
    step = min(0.3, count / len(values))
    places = left + step * (np.arange(len(values)) + 0.5)
    finite = np.isfinite(values)
    heights = np.where(finite, values / limit, 1.0) * 0.42
    colours = np.where(finite, np.where(values < 0, _style.COLOURS[0], _style.COLOURS[2]), _style.NOT_FINITE)
    ax.bar(places, -heights, 0.8 * step, bottom=top + 0.5, color=colours)
    end = left + step * len(values)
    ax.plot([left, end], [top + 0.5, top + 0.5], color=_style.QUIET, lw=0.4)
    return end


def _scale(values):
    low, high = float(values.min()), float(values.max())
    return f"{low:.2g} to\n{high:.2g}"


def opening(opened, ax=None):
    """What one number of an output was made of: inputs, weights and their products, or source pixels and their shares.

    Beside the inputs are their rows and columns; what has none is padding. Kernels of many channels show the three whose
    products are largest; dense layers with many inputs fold them to a square where that is possible, else they show the
    largest products.

    Parameters
    ----------
    opened : what `Step.open` gives

    Returns the axes. Raises SettingError for anything else.
    """
    if not hasattr(opened, "index"):
        raise SettingError(f"opening needs what trace[...].open() gives, got {type(opened).__name__}")
    if hasattr(opened, "products"):
        parts, ending = _product_parts(opened), _ending(opened)
    else:
        parts = [("", {"values": opened.values, "shares": opened.shares, "dy · shares": opened.dvalues})]
        ending = f"values · shares\n= {opened.output:.4g}\n\ndy = {opened.dy:.4g}"
    matrices = [matrix for _, named in parts for matrix in named.values()]
    most = max(matrix.shape[0] for matrix in matrices), max(matrix.shape[1] for matrix in matrices)
    unit = 1.0 if max(most[1], min(most)) <= WRITTEN else 4.5 / max(most)
    if unit < 1 and hasattr(opened, "shares"):
        ending += f"\n\nlargest share\n{opened.shares.max():.4g}"
    gap, left_out = 1.1, 2.0 if parts[0][0] else 0.7
    wide = left_out + 3 * (most[1] * unit + gap) + 2.8
    high = sum(next(iter(named.values())).shape[0] * unit + 0.7 for _, named in parts) + 1.3
    width = min(9.5, 0.62 * wide)
    height = width * high / wide + TITLE
    if ax is not None:
        width, height = _style.inches(_style.axes(ax, None))
    ax = _style.axes(ax, (width, height))
    size = min(10.0, 72 * min(width / wide, (height - TITLE) / high) * (0.21 if unit == 1 else 0.25))
    limits = {name: _style.signed_limit(np.stack([named[name] for _, named in parts])) for name in parts[0][1]}
    top = 0.0
    for label, named in parts:
        left = left_out
        tall = next(iter(named.values())).shape[0] * unit
        ax.text(0, top + tall / 2, label, size=size, va="center", color=_style.QUIET)
        for place, (name, matrix) in enumerate(named.items()):
            if not top:
                ax.text(left + matrix.shape[1] * unit / 2, -0.2, name, size=1.1 * size, ha="center", va="bottom")
            _cells(ax, matrix, left, top, unit, size, limits[name])
            if not place and opened.rows is not None:
                _numbered(ax, opened, left, top, unit, size)
            left += matrix.shape[1] * unit + gap
            sign = ("×", "=")[place] if place < 2 and hasattr(opened, "products") else ""
            ax.text(left - gap / 2, top + tall / 2, sign, size=1.6 * size, ha="center", va="center")
        top += tall + 0.7
    ax.text(left - gap + 0.5, (top - 0.7) / 2, ending, size=1.05 * size, va="center", family="monospace")
    ax.set_title(f"{opened.layer}\n{opened.where} = {opened.output:.6g}", size=1.05 * size)
    ax.set_xlim(-0.1, wide)
    ax.set_ylim(top - 0.5, -0.9)
    _style.bare(ax).set_aspect("equal")
    return ax


def _product_parts(opened):
    """[(label, {name: matrix})]: the matrices of each channel that is drawn."""
    named = {"inputs": opened.patch, "weights": opened.weights, "products": opened.products}
    if opened.patch.ndim == 3:
        C = opened.patch.shape[2]
        order = np.argsort(-np.abs(opened.products).sum((0, 1)), kind="stable")[:CHANNELS]
        order = order if C > CHANNELS else range(C)
        return [
            (f"channel {c}" if C > 1 else "", {name: array[..., c] for name, array in named.items()}) for c in order
        ]
    size, side = opened.patch.size, math.isqrt(opened.patch.size)
    if size >= 16 and side**2 == size:
        return [("", {name: array.reshape(side, side) for name, array in named.items()})]
    order = np.sort(np.argsort(-np.abs(opened.products), kind="stable")[:INPUTS])
    label = f"the {len(order)}\nlargest" if len(order) < size else ""
    return [(label, {name: array[order, None] for name, array in named.items()})]


def _ending(opened):
    """The sums at the end, as lines of text."""
    lines = [("sum", opened.total), ("bias", opened.bias), ("total", opened.before)]
    if opened.activation != "linear":
        lines.append((opened.activation, opened.output))
    width = max(len(name) for name, _ in lines)
    count = opened.products.size
    text = [f"of all {count} products:" if count > 9 else "of the products:"]
    return "\n".join([*text, *(f"{name:<{width}} {number:9.4g}" for name, number in lines)])


def _numbered(ax, opened, left, top, unit, size):
    """Beside and below a matrix of input pixels their rows and columns in the input, nothing for padding; of cells that are
    too small for that only the first and the last."""
    style = {"size": 0.92 * size, "color": _style.QUIET}
    below = top + len(opened.rows) * unit + 0.08
    for place, row in _named(opened.rows, unit):
        ax.text(left - 0.1, top + (place + 0.5) * unit, f"row {row}", rotation=90, ha="right", va="center", **style)
    for place, column in _named(opened.columns, unit):
        ax.text(left + (place + 0.5) * unit, below, f"col {column}", ha="center", va="top", **style)


def _named(pixels, unit):
    """[(place, pixel)] of the rows or columns that are written beside a matrix."""
    inside = [(place, int(pixel)) for place, pixel in enumerate(pixels) if pixel >= 0]
    return inside if unit == 1 else inside[:1] + inside[1:][-1:]


def _cells(ax, matrix, left, top, unit, size, limit):
    """A matrix in colours around 0, with its numbers where there is room for them."""
    height, width = (unit * sides for sides in matrix.shape)
    ax.imshow(
        matrix, _style.SIGNED, vmin=-limit, vmax=limit, interpolation="nearest", aspect="equal",
        extent=(left, left + width, top + height, top),
    )  # fmt: skip
    ax.add_patch(Rectangle((left, top), width, height, fill=False, ec=_style.QUIET, lw=0.6))
    if unit < 1:
        return
    for (i, j), number in np.ndenumerate(matrix):
        colour = "white" if abs(number) > 0.6 * limit else "black"
        text = "-" if np.isnan(number) else f"{number + 0.0:.2g}"
        ax.text(left + j + 0.5, top + i + 0.5, text, size=size, color=colour, ha="center", va="center")

"""Drawings that explain: a model as a tower of layers, and convolution as one matrix product (im2col)."""

import numpy as np
from matplotlib.patches import Rectangle

from minicae import shapes
from minicae.errors import SettingError, short
from minicae.plots import _style

LARGEST = 64  # rows or columns of a matrix that can still be read
MARKED = _style.COLOURS[1]
KINDS = {  # of layers: colour, and classes by name; the last kind is for all others
    "products with weights": (_style.COLOURS[0], ("Dense", "Conv2D", "Conv2DTranspose", "Tied")),
    "smaller image": (_style.COLOURS[6], ("MaxPooling2D", "AveragePooling2D", "Cropping2D")),
    "larger image": (_style.COLOURS[7], ("UpSampling2D", "ZeroPadding2D")),
    "other": (_style.COLOURS[3], ()),
}


def architecture(model, ax=None):
    """A model from its input, at the top, to its output: one bar a layer, as wide as its output has numbers. Returns the axes.

    The scale of the widths is logarithmic; what is written beside a bar is the shape of the output and the number of
    parameters. Encoder and decoder are bracketed, and the code is marked.

    Parameters
    ----------
    model : built
    """
    if getattr(model, "input_shape", None) is None or not hasattr(model, "leaves"):
        raise SettingError(f"architecture needs a built model, got {short(repr(model), 60)}")
    leaves = model.leaves()
    ax = _style.axes(ax, (9, 0.34 * (len(leaves) + 1) + 0.7))
    rows = [("input", "", model.input_shape, 0, None)]
    for leaf in leaves:
        kind = next((kind for kind, (_, names) in KINDS.items() if type(leaf).__name__ in names), "other")
        weights = sum(shapes.count(declaration.shape) for declaration in leaf.declared)
        rows.append((leaf.name, repr(leaf), leaf.output_shape, weights, kind))
    widest = np.log1p(max(shapes.count(shape) for _, _, shape, _, _ in rows))
    size = _font(ax, len(rows), 9.0)
    last = _last_of_encoder(leaves)
    for place, (name, text, shape, weights, kind) in enumerate(rows):
        width = 0.26 * np.log1p(shapes.count(shape)) / widest
        colour = _style.QUIET if not place else KINDS[kind][0]
        ax.add_patch(Rectangle((0.61 - width / 2, place - 0.36), width, 0.72, color=colour, lw=0))
        if place == last:
            ax.add_patch(Rectangle((0.61 - width / 2, place - 0.36), width, 0.72, fill=False, ec="black", lw=2))
        ax.text(0.05, place, name, size=size, va="center", weight="bold")
        ax.text(0.17, place, short(text, 38), size=size, va="center")
        ax.text(
            0.76, place, "x".join(map(str, shape)) + (" = the code" if place == last else ""), size=size, va="center"
        )
        ax.text(1.0, place, f"{weights:,}" if weights else "", size=size, va="center", ha="right")
    for text, x, side in (("layer", 0.05, "left"), ("output", 0.76, "left"), ("parameters", 1.0, "right")):
        ax.text(x, -0.85, text, size=size, ha=side, va="center", color=_style.QUIET)
    _brackets(ax, [name.rpartition("[")[0] for name, *_ in rows], size)
    ax.set_xlim(0, 1)
    ax.set_ylim(len(rows) - 0.4, -1.3)
    _style.bare(ax)
    used = [kind for kind in KINDS if any(row[4] == kind for row in rows[1:])]
    handles = [Rectangle((0, 0), 1, 1, color=KINDS[kind][0], label=kind) for kind in used]
    ax.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=4, frameon=False, fontsize=size,
        title="width of a bar: numbers in the output of one sample, logarithmic", title_fontsize=size,
    )  # fmt: skip
    return ax


def _last_of_encoder(leaves):
    """Place among the rows of the layer whose output is the code, or None."""
    places = [place for place, leaf in enumerate(leaves, 1) if leaf.name.split("[")[0].endswith("encoder")]
    return places[-1] if places and places[-1] < len(leaves) else None


def _brackets(ax, parts, size):
    """A line along the rows of each part, with its name."""
    for part in dict.fromkeys(filter(None, parts)):
        own = [place for place, name in enumerate(parts) if name == part]
        first, last = own[0] - 0.36, own[-1] + 0.36
        ax.plot([0.035, 0.035], [first, last], color=_style.QUIET, lw=1.5)
        if len(own) > 1:
            ax.text(
                0.015, (first + last) / 2, part, size=size, rotation=90, ha="center", va="center", color=_style.QUIET
            )


def _font(ax, rows, largest):
    """Size in points at which this many rows of text can be read in the axes, at most `largest`."""
    width, height = _style.inches(ax)
    return min(largest, largest * width / 7.5, 72 * height / (rows + 1) * 0.75)


def im2col(height=4, width=4, kernel=(3, 3), strides=1, padding="valid", filters=2, row=0, ax=None):
    """A convolution as a matrix product: the image, the matrix of its patches, the matrix of the weights, the result.

    The pixels of the image are numbered from 1, and 0 is padding; row `row` of the patches is the part of the image that is
    marked, and row `row` of the product is the output pixel that comes of it. One channel: with C of them, a row of patches
    has C numbers in the place of each.

    Parameters
    ----------
    height, width : of the image, in pixels
    kernel, strides : pixels, one number or (height, width)
    padding : "valid", "same" or pixels (top, bottom, left, right)
    filters : columns of the matrix of weights
    row : the output pixel that is marked, counted row by row

    Returns the axes.
    """
    height, width = shapes.integer(height, "height"), shapes.integer(width, "width")
    (KH, KW), (sh, sw) = shapes.pair(kernel, "kernel"), shapes.pair(strides, "strides")
    F, row = shapes.integer(filters, "filters"), shapes.integer(row, "row", 0)
    borders = shapes.resolve_padding(padding, height, width, (KH, KW), (sh, sw), (1, 1))
    OH, OW = shapes.window_output(height, width, (KH, KW), (sh, sw), borders, (1, 1))
    if max(OH * OW, KH * KW, height + sum(borders[:2]), width + sum(borders[2:]), F) > LARGEST:
        raise SettingError(f"{OH * OW} patches of {KH * KW} pixels cannot be read: draw at most {LARGEST} of each")
    if row >= OH * OW:
        raise SettingError(f"row must be below {OH * OW}, the pixels of the output {OH}x{OW}, got {row}")
    image = np.pad(np.arange(1, height * width + 1).reshape(height, width), (borders[:2], borders[2:]))
    corners = [(i * sh, j * sw) for i in range(OH) for j in range(OW)]
    patches = np.stack([image[i : i + KH, j : j + KW].ravel() for i, j in corners])
    weights = np.array([[f"w{p}{q}" for _ in range(F)] for p in range(KH) for q in range(KW)])
    product = np.array([[f"y{i}{j}" for _ in range(F)] for i in range(OH) for j in range(OW)])
    parts = [
        (f"image {height}x{width}", image, ""),
        (f"patches\n{OH}·{OW} x {KH}·{KW}", patches, "→"),
        (f"weights\n{KH}·{KW} x {F}", weights, "×"),
        (f"output\n{OH}·{OW} x {F}", product, "="),
    ]
    wide = sum(cells.shape[1] for _, cells, _ in parts) + 6.6
    high = max(len(cells) for _, cells, _ in parts) + 2.6
    scale = min(0.42, 9.5 / wide, 9 / high)
    ax = _style.axes(ax, (wide * scale, high * scale))
    size = min(9.0, 72 * min(np.divide(_style.inches(ax), (wide, high))) * 0.36)
    left = 0.0
    for place, (title, cells, sign) in enumerate(parts):
        left += 2.2 if place else 0
        if sign:
            ax.text(left - 1.1, 0, sign, size=1.8 * size, ha="center", va="center")
        _matrix(ax, cells, left, size)
        top = -len(cells) / 2
        ax.text(left + cells.shape[1] / 2, top - 0.7, title, size=1.1 * size, ha="center", va="bottom")
        for f in range(F if place > 1 else 0):
            ax.text(left + f + 0.5, top - 0.15, f"f={f}", size=size, ha="center", va="bottom", color=_style.QUIET)
        left += cells.shape[1]
    top, start = corners[row]
    _frame(ax, start, top - len(image) / 2, KW, KH)
    at = image.shape[1] + 2.2
    _frame(ax, at, row - len(patches) / 2, patches.shape[1], 1)
    at += patches.shape[1] + weights.shape[1] + 4.4
    _frame(ax, at, row - len(product) / 2, F, 1)
    ax.set_xlim(-0.2, left + 0.2)
    ax.set_ylim(max(len(cells) for _, cells, _ in parts) / 2 + 0.2, -max(len(cells) for _, cells, _ in parts) / 2 - 2.3)
    _style.bare(ax).set_aspect("equal")
    return ax


def _matrix(ax, cells, left, size):
    """Cells with their content, centred on the line y = 0; zeros, which are padding, are grey."""
    top = -len(cells) / 2
    for (i, j), content in np.ndenumerate(cells):
        colour = _style.GAP if str(content) == "0" else "white"
        ax.add_patch(Rectangle((left + j, top + i), 1, 1, fc=colour, ec=_style.QUIET, lw=0.6))
        ax.text(left + j + 0.5, top + i + 0.5, str(content), size=size, ha="center", va="center")


def _frame(ax, x, y, width, height):
    ax.add_patch(Rectangle((x, y), width, height, fc=MARKED, alpha=0.35, lw=0))
    ax.add_patch(Rectangle((x, y), width, height, fill=False, ec=MARKED, lw=2.5))

"""Text for people: shapes, and openings as numbers in columns, the ones that matter most where there are too many."""

import numpy as np

SHOWN = 8  # products of a dense layer that are listed
WIDTH = 104  # letters of the numbers in a line
CHANNELS = 3  # channels of a convolution that are shown in full


def shape(sizes) -> str:
    """28x28x1."""
    return "x".join(map(str, sizes))


def counted(number, noun) -> str:
    """1 sample, 2 samples."""
    return f"{number} {noun}{'s' * (number != 1)}"


def products(opened) -> str:
    """An `openings.Products` as text."""
    lines = [f"{opened.layer}: {opened.where} = {opened.output:.6g}"]
    lines += _vector(opened) if opened.patch.ndim == 1 else _kernel(opened)
    total = f"sum of {counted(opened.patch.size, 'product')}"
    width = len(total)
    lines += [
        f"{total}  {opened.total: .6g}",
        f"{'bias':<{width}}  {opened.bias: .6g}",
        f"{'their sum':<{width}}  {opened.before: .6g}",
    ]
    if opened.activation != "linear":
        lines.append(f"{opened.activation:<{width}}  {opened.output: .6g}")
    lines.append(
        f"backward: dy = {opened.dy:.6g}, before the activation {opened.dpre:.6g};"
        " times the weights it goes to the inputs, times the inputs to the weights"
    )
    return "\n".join(lines)


def routes(opened) -> str:
    """An `openings.Routes` as text."""
    lines = [
        f"{opened.layer}: {opened.where} = {opened.output:.6g}",
        f"input pixels: {_span(opened)}, channel {opened.index[-1]}",
        *_beside({"values": opened.values, "shares": opened.shares, "dy * shares": opened.dvalues}),
    ]
    if opened.shares.max() == 1:
        lines.append(f"all of it is from input pixel {opened.source}, which gets all of dy = {opened.dy:.6g}")
    else:
        lines.append(f"the output is the sum of values * shares; dy = {opened.dy:.6g} goes back in the same shares")
    return "\n".join(lines)


def _vector(opened):
    order = np.argsort(-np.abs(opened.products), kind="stable")[:SHOWN]
    rest = opened.products.size - len(order)
    lines = [f"{'input':>8}  {'x':>10}    {'w':>10}    {'x * w':>10}" + ("    the largest" if rest else "")]
    for place in order if rest else sorted(order):
        numbers = (f"{one[place]:10.4g}" for one in (opened.patch, opened.weights, opened.products))
        lines.append(f"{place:>8}  " + "    ".join(numbers))
    if rest:
        others = opened.total - opened.products[order].sum()
        lines.append(f"{rest:>8} others {'':31}{others:10.4g}")
    return lines


def _kernel(opened):
    C = opened.patch.shape[2]
    sums = opened.products.sum((0, 1))
    order = np.argsort(-np.abs(opened.products).sum((0, 1)), kind="stable")[:CHANNELS]
    lines = [f"input pixels: {_span(opened)}"]
    for c in order if C > CHANNELS else range(C):
        if C > 1:
            lines.append(f"channel {c}: its products add up to {sums[c]:.6g}")
        columns = {"patch": opened.patch, "weights": opened.weights, "products": opened.products}
        lines += _beside({name: array[..., c] for name, array in columns.items()})
    if C > CHANNELS:
        others = opened.total - sums[order].sum()
        lines.append(f"the other {C - CHANNELS} channels, whose products are smaller, add up to {others:.6g}")
    return lines


def _span(opened):
    return " x ".join(
        f"{noun} {', '.join('-' if place < 0 else str(place) for place in places)}"
        for noun, places in (("rows", opened.rows), ("columns", opened.columns))
    ) + (" (- is outside: padding, or between strides)" if min(opened.rows.min(), opened.columns.min()) < 0 else "")


def _beside(matrices):
    """Named matrices of one height side by side, or one below the other where that would be too wide."""
    blocks = []
    for name, matrix in matrices.items():
        cells = [["-" if np.isnan(number) else f"{number + 0.0:.4g}" for number in row] for row in matrix]  # no -0
        width = max(len(cell) for row in cells for cell in row)
        text = ["  ".join(cell.rjust(width) for cell in row) for row in cells]
        wide = max(len(name), len(text[0]))
        blocks.append([name.ljust(wide), *(line.ljust(wide) for line in text)])
    if sum(len(lines[0]) for lines in blocks) > WIDTH:
        return ["    " + line.rstrip() for lines in blocks for line in lines]
    return ["    " + "      ".join(parts).rstrip() for parts in zip(*blocks)]

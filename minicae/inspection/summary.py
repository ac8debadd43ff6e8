"""A model as a table: what comes out of each layer, what it costs, how far it sees, how it is computed."""

from minicae import shapes
from minicae.errors import short
from minicae.inspection import _text


def summarize(model) -> str:
    """The table as text, for a model with `leaves()`, `steps()`, `input_shape`, `parameters` and `dtype`."""
    image = model.input_shape[:2] if len(model.input_shape) == 3 else (1, 1)
    field = shapes.ReceptiveField(image)
    rows = [("layer", "output", "parameters", "MFLOP", "memory", "field", "algorithm")]
    rows.append(("input", _text.shape(model.input_shape), "", "", "", "", ""))
    total_memory = 0
    pairs = [step for step in model.steps() if hasattr(step, "conv")]
    together, skipped = {pair.conv.name: pair.algorithm for pair in pairs}, {pair.up.name for pair in pairs}
    for leaf in model.leaves():
        weights = sum(shapes.count(declaration.shape) for declaration in leaf.declared)
        memory = 0 if leaf.name in skipped else shapes.count(leaf.output_shape) * model.dtype.itemsize
        total_memory += memory
        seen = "all" if leaf.extent is None else None
        field.add(leaf.extent, leaf.jump)
        seen = seen or "{}x{}".format(*field.pixels)
        seen = seen if len(model.input_shape) == 3 else "all" if leaf.extent is None else ""
        rows.append(
            (
                f"{leaf.name} {short(repr(leaf))}",
                _text.shape(leaf.output_shape),
                f"{weights:,}" if weights else "",
                f"{leaf.flops / 1e6:.3f}" if leaf.flops else "",
                _bytes(memory),
                seen,
                together.get(leaf.name) or getattr(leaf, "chosen", ""),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(_align(cell, width, column) for column, (cell, width) in enumerate(zip(row, widths))).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    lines.append(lines[1])
    size = model.parameters.size
    lines.append(
        f"{size:,} parameters ({_bytes(size * model.dtype.itemsize)}), {model.flops / 1e6:.3f} MFLOP"
        f" and {_bytes(total_memory)} of activations an image forward; {model.dtype.name} on the {model.backend} backend"
    )
    return "\n".join(lines)


def _align(cell, width, column):
    return cell.ljust(width) if column in (0, 6) else cell.rjust(width)


def _bytes(count):
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"

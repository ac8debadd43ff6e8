"""`minicae explore`: a saved model as a page to play with."""

import math
from pathlib import Path

from minicae.arguments import COUNT
from minicae.commands import _shared
from minicae.models.sequential import load

EXAMPLE = "minicae explore minicae-out/model.minicae --data glyphs"


def options(option):
    """The arguments of the command."""
    option("model", metavar="MODEL", help="a file that demo or train has written")
    _shared.data_option(option, default="glyphs")
    option("--count", type=COUNT, default=500, metavar="N", help="samples on the page (%(default)s)")
    option("--out", metavar="FILE", default="minicae-out/explore.html", help="the page (%(default)s)")


def run(arguments):
    """Write a web page on a saved model: its codes as a map, its decoder under your mouse, what its layers show."""
    from minicae import explore

    out = Path(arguments.out)
    model = load(arguments.model)
    data = _shared.load_data(arguments.data, split=False)
    x = data.test[: arguments.count]
    labels = None if data.labels is None else data.labels[: arguments.count]
    if math.prod(x.shape[1:]) == math.prod(model.input_shape):
        x = x.reshape(-1, *model.input_shape)
    explore.write(model, x, out, labels, "/".join(Path(arguments.model).parts[-2:]))
    print(f"wrote {out}, {out.stat().st_size // 1000:,} kB: open it in a browser")

"""`minicae demo`: from nothing to a trained model and a figure, offline."""

from minicae.arguments import COUNT, SEED
from minicae.commands import _shared
from minicae.datasets import make_glyphs
from minicae.datasets.arrays import Data
from minicae.files import writable_folder
from minicae.models import zoo

EXAMPLE = "minicae demo --out first-look"


def options(option):
    """The arguments of the command."""
    _shared.folder_option(option)
    option("--epochs", type=COUNT, default=4, metavar="N", help="passes over the digits (%(default)s)")
    option("--images", type=COUNT, default=6_000, metavar="N", help="digits to train on (%(default)s)")
    option("--seed", type=SEED, default=0, metavar="N", help="of the digits and of the model (%(default)s)")


def run(arguments):
    """Train a small autoencoder on drawn digits, offline, and show what it has learned."""
    out = writable_folder(arguments.out)
    x, y = make_glyphs(arguments.images + _shared.GLYPHS[1], arguments.seed)
    data = Data(x[: arguments.images], x[arguments.images :], y[arguments.images :])

    def build():
        return zoo.convolutional(filters=(8, 16, 32), code=32, learning_rate=0.003, seed=arguments.seed)

    _shared.fit(
        build, data, arguments.epochs, 32, 0.1, False, out, "demo.png", "convolutional autoencoder, drawn digits"
    )
    print(f"next: minicae reconstruct {out / 'model.minicae'} --data glyphs")
    print("      minicae train --data mnist --model convolutional")

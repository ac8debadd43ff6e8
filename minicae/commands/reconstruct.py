"""`minicae reconstruct`: a saved model at work."""

import math

import numpy as np

from minicae.arguments import COUNT
from minicae.commands import _shared
from minicae.errors import SettingError
from minicae.files import replacing, writable_folder
from minicae.models.autoencoder import Autoencoder
from minicae.models.sequential import load

EXAMPLE = "minicae reconstruct minicae-out/model.minicae --data glyphs --count 100"


def options(option):
    """The arguments of the command."""
    option("model", metavar="MODEL", help="a file that demo or train has written")
    _shared.data_option(option)
    _shared.folder_option(option)
    option("--count", type=COUNT, metavar="N", help="reconstruct the first N samples only")


def run(arguments):
    """Run the samples of a file, or the test part of a data set, through a saved model."""
    from minicae import plots

    out = writable_folder(arguments.out)
    model = load(arguments.model)
    if not isinstance(model, Autoencoder):
        raise SettingError(f"{arguments.model} is a {type(model).__name__}, an Autoencoder is needed")
    data = _shared.load_data(arguments.data, split=False)
    x = data.test[: arguments.count]
    if math.prod(x.shape[1:]) == math.prod(model.output_shape):
        x = x.reshape(-1, *model.output_shape)
    labels = None if data.labels is None else data.labels[: arguments.count]
    x_hat = model.reconstruct(_shared.told(model, x, labels))
    print(f"MSE {np.square(x_hat - x).mean(dtype=np.float64):.5f} over {len(x):,} samples")
    files = out / "reconstructions.npy", out / "reconstructions.png"
    with replacing(files[0]) as file:
        np.save(file, x_hat)
    _shared.save_figure(plots.report_figure(x, x_hat), files[1])
    print(f"wrote {files[0]} and {files[1]}")

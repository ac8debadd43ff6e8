"""`minicae train`: any of the networks, on published data or your own."""

import inspect
from pathlib import Path

from minicae.arguments import COUNT, COUNTS, RATE, SEED, SHARE
from minicae.commands import _shared
from minicae.errors import SettingError
from minicae.files import writable_folder
from minicae.losses import NAMES as LOSSES
from minicae.models import zoo

EXAMPLE = "minicae train --data mnist --model convolutional --code 32 --epochs 3 --out mnist-32"
MODEL_OPTIONS = ("kind", "widths", "filters", "code", "last_kernel", "interpolation", "sizes", "loss", "learning_rate")


def options(option):
    """The arguments of the command."""
    names = _shared.MODELS
    _shared.data_option(option)
    _shared.folder_option(option)
    option("--model", choices=names, default="convolutional", metavar="NAME", help=f"{', '.join(names)} (%(default)s)")
    option("--epochs", type=COUNT, default=5, metavar="N", help="passes over the samples (%(default)s)")
    option("--batch-size", type=COUNT, default=64, metavar="N", help="samples of one update (%(default)s)")
    option(
        "--resume",
        action="store_true",
        help="go on where Ctrl-C or a crash left the training in --out, to --epochs in all",
    )
    option("--seed", type=SEED, default=0, metavar="N", help="of weights and order (%(default)s)")
    option(
        "--val", type=SHARE, default=0.0, metavar="SHARE", help="of the training samples, to validate on (%(default)s)"
    )
    option("--learning-rate", type=RATE, metavar="RATE", help="of Adam (the model's own; with --resume, as it was)")
    option(
        "--loss", choices=tuple(LOSSES), metavar="NAME", help=f"{', '.join(LOSSES)} (bce for values in 0..1, else mse)"
    )
    option("--sizes", type=COUNTS, metavar="N,N,...", help="basic, stacked: numbers in each layer, the samples' first")
    option("--filters", type=COUNTS, metavar="N,N,...", help="convolutional: channels of each stage (64,128,256)")
    option("--code", type=COUNT, metavar="N", help="numbers in the code (the model's own; convolutional: maps)")
    option(
        "--kind", choices=("dense", "convolutional"), metavar="NAME", help="denoising and after: dense or convolutional"
    )
    option(
        "--widths", type=COUNTS, metavar="N,N,...", help="denoising and after: units or channels of the hidden layers"
    )
    option("--last-kernel", type=COUNT, metavar="N", help="convolutional: pixels of the last kernel (3)")
    option(
        "--interpolation", choices=("nearest", "bilinear"), metavar="NAME", help="convolutional: nearest or bilinear"
    )


def run(arguments):
    """Train an autoencoder on images or vectors, compare it with the mean image, save it with a figure."""
    out = writable_folder(arguments.out)
    builder = getattr(zoo, arguments.model)
    known = inspect.signature(builder).parameters
    settings = {name: getattr(arguments, name) for name in MODEL_OPTIONS if getattr(arguments, name) is not None}
    for name in settings:
        if name not in known:
            raise SettingError(f"--{name.replace('_', '-')} has no meaning for --model {arguments.model}")
    data = _shared.load_data(arguments.data)
    kind = _shared.kind(data.train)
    if "input_shape" in known:
        if "convolutional" in (arguments.model, settings.get("kind")) and data.train.ndim != 4:
            what, other = ("--kind", "dense") if "kind" in settings else ("--model", "stacked")
            raise SettingError(f"{what} convolutional needs images, the data are {kind}: try {other}")
        settings["input_shape"] = data.train.shape[1:]
    else:
        data = data._replace(train=data.train.reshape(len(data.train), -1), test=data.test.reshape(len(data.test), -1))
        C = data.train.shape[1]
        usual = known["sizes"].default
        if arguments.model == "stacked" and usual[0] != C:
            usual = (C, 100, 30) if C > 100 else (C, -(-C // 2), -(-C // 4))
        if settings.setdefault("sizes", usual)[0] != C:
            kind = _shared.kind(data.train)
            raise SettingError(f"--sizes must begin with {C}, the data are {kind}: got {settings['sizes']}")
    if "loss" in known:
        low, high = data.train.min(), data.train.max()
        if settings.setdefault("loss", "mse" if low < 0 or high > 1 else "bce") == "mse" and not arguments.loss:
            print(f"values from {low:.4g} to {high:.4g}, not in 0..1: the loss is mse")
        if arguments.model == "stacked" and settings["loss"] == "bce":
            settings["activation"] = "relu"

    if "classes" in known:
        settings["classes"] = _shared.classes(data.train_labels, data.labels)

    def build():
        return builder(seed=arguments.seed, **settings)

    title = f"{arguments.model} autoencoder, {Path(arguments.data).name}"
    course = arguments.epochs, arguments.batch_size, arguments.val, arguments.resume
    _shared.fit(build, data, *course, out, "training.png", title)
    print(f"next: minicae reconstruct {out / 'model.minicae'} --data {arguments.data}")

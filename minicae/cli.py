"""The command line: `minicae demo`, `train`, `reconstruct`, `gradcheck`, `doctor`. Read `main`, then `demo`, then `train`.

A command is a function that takes the parsed arguments and gives its exit code, or nothing for 0. A wrong argument gets
one line and exit code 2, whatever else goes wrong its message and exit code 1. The arguments are described at the end.
"""

import argparse
import contextlib
import inspect
import math
import os
import sys
import threading
import warnings
from pathlib import Path

import numpy as np

import minicae
from minicae import kernels
from minicae.arguments import COUNT, COUNTS, RATE, SEED, SETS, SHARE, SOURCE, Parser
from minicae.datasets import load_fashion_mnist, load_mnist, make_glyphs
from minicae.datasets.arrays import Data, load_arrays
from minicae.errors import MinicaeError, SettingError
from minicae.files import replacing, writable_folder
from minicae.losses import NAMES as LOSSES
from minicae.models import zoo
from minicae.models.autoencoder import Autoencoder
from minicae.models.sequential import load
from minicae.training.callbacks import CSVLogger, ModelCheckpoint

MODELS = ("basic", "stacked", "convolutional")
MODEL_OPTIONS = ("filters", "code", "last_kernel", "interpolation", "sizes", "loss", "learning_rate")
GLYPHS = 9_000, 1_000  # digits that --data glyphs stands for: to train on, to test on
IN_FIGURE = 1_000  # test samples whose codes are drawn


def main(argv=None) -> int:
    """Run the command that `argv` (default: the process's arguments) names. Returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *where: print(f"note: {message}", file=sys.stderr)
            code = arguments.run(arguments) or 0
            sys.stdout.flush()
            return code
    except BrokenPipeError:  # the reader has seen enough; what is still buffered goes nowhere
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        message, code = "interrupted", 130
    except (MinicaeError, OSError, MemoryError) as error:
        message, code = error, 1
    print(f"minicae {arguments.command}: {message}", file=sys.stderr)
    return code


def demo(arguments):
    """Train a small autoencoder on drawn digits, offline, and show what it has learned."""
    out = writable_folder(arguments.out)
    x, y = make_glyphs(arguments.images + GLYPHS[1], arguments.seed)
    data = Data(x[: arguments.images], x[arguments.images :], y[arguments.images :])

    def build():
        return zoo.convolutional(filters=(8, 16, 32), code=32, learning_rate=0.003, seed=arguments.seed)

    _train(build, data, arguments.epochs, 32, 0.1, out, "demo.png", "convolutional autoencoder, drawn digits")
    print(f"next: minicae reconstruct {out / 'model.minicae'} --data glyphs")
    print("      minicae train --data mnist --model convolutional")


def train(arguments):
    """Train an autoencoder on images or vectors, compare it with the mean image, save it with a figure."""
    out = writable_folder(arguments.out)
    builder = getattr(zoo, arguments.model)
    known = inspect.signature(builder).parameters
    settings = {name: getattr(arguments, name) for name in MODEL_OPTIONS if getattr(arguments, name) is not None}
    for name in settings:
        if name not in known:
            raise SettingError(f"--{name.replace('_', '-')} has no meaning for --model {arguments.model}")
    data = _load(arguments.data)
    if arguments.model == "convolutional":
        if data.train.ndim != 4:
            raise SettingError(f"--model convolutional needs images, the data are {_kind(data.train)}: try stacked")
        settings["input_shape"] = data.train.shape[1:]
    else:
        data = data._replace(train=data.train.reshape(len(data.train), -1), test=data.test.reshape(len(data.test), -1))
        C = data.train.shape[1]
        usual = known["sizes"].default
        if arguments.model == "stacked" and usual[0] != C:
            usual = (C, 100, 30) if C > 100 else (C, -(-C // 2), -(-C // 4))
        if settings.setdefault("sizes", usual)[0] != C:
            raise SettingError(
                f"--sizes must begin with {C}, the data are {_kind(data.train)}: got {settings['sizes']}"
            )
    if "loss" in known:
        low, high = data.train.min(), data.train.max()
        if settings.setdefault("loss", "mse" if low < 0 or high > 1 else "bce") == "mse" and not arguments.loss:
            print(f"values from {low:.4g} to {high:.4g}, not in 0..1: the loss is mse")
        if arguments.model == "stacked" and settings["loss"] == "bce":
            settings["activation"] = "relu"

    def build():
        return builder(seed=arguments.seed, **settings)

    title = f"{arguments.model} autoencoder, {Path(arguments.data).name}"
    _train(build, data, arguments.epochs, arguments.batch_size, arguments.val, out, "training.png", title)
    print(f"next: minicae reconstruct {out / 'model.minicae'} --data {arguments.data}")


def reconstruct(arguments):
    """Run the samples of a file, or the test part of a data set, through a saved model."""
    from minicae import plots

    out = writable_folder(arguments.out)
    model = load(arguments.model)
    if not isinstance(model, Autoencoder):
        raise SettingError(f"{arguments.model} is a {type(model).__name__}, an Autoencoder is needed")
    x = _load(arguments.data, split=False).test[: arguments.count]
    if math.prod(x.shape[1:]) == math.prod(model.input_shape):
        x = x.reshape(-1, *model.input_shape)
    x_hat = model.reconstruct(x)
    print(f"MSE {np.square(x_hat - x).mean(dtype=np.float64):.5f} over {len(x):,} samples")
    files = out / "reconstructions.npy", out / "reconstructions.png"
    with replacing(files[0]) as file:
        np.save(file, x_hat)
    _save_figure(plots.report_figure(x, x_hat), files[1])
    print(f"wrote {files[0]} and {files[1]}")


def gradcheck(arguments):
    """Check the gradients of every layer, activation and loss against finite differences."""
    from minicae.inspection.catalogue import cases
    from minicae.inspection.gradcheck import gradcheck as check

    verdicts = []
    for backend in kernels.available() if arguments.backend == "all" else [arguments.backend]:
        kernels.backend(backend)  # raises where there is none
        print(f"\nbackend {backend}\n\n      worst error  at{'':20}shapes{'':28}what")
        for name, subject, *data in cases():
            report = check(subject, *data, backend=backend)
            worst = report.worst
            place = f"{worst.name.rpartition('.')[2]}[{', '.join(map(str, worst.index))}]"
            shapes = ", ".join(f"{row.name.rpartition('.')[2]} {'x'.join(map(str, row.shape))}" for row in report.rows)
            verdict = "ok" if report.ok else "FAIL"
            print(f"{verdict:6}{worst.error:11.1e}  {place:22}{shapes:34}{name}", flush=True)
            verdicts.append(report.ok)
    print(f"\n{sum(verdicts)} of {len(verdicts)} ok")
    return 0 if all(verdicts) else 1


def doctor(arguments):
    """Show what minicae runs on, and check every kernel of every backend."""
    from minicae.inspection.doctor import examine

    print(f"{'minicae':11}{minicae.__version__}", flush=True)
    healthy = True
    for subject, text, ok in examine():
        print(f"{subject:11}{'' if ok else 'FAIL '}{text}", flush=True)
        healthy = healthy and ok
    print("all is well" if healthy else "not well: see the lines with FAIL")
    return 0 if healthy else 1


def _load(source, split=True) -> Data:
    """The data that --data names; with split=False, the samples of a file are all test samples."""
    if source == "glyphs":
        x, y = make_glyphs(sum(GLYPHS))
        return Data(x[: GLYPHS[0]], x[GLYPHS[0] :], y[GLYPHS[0] :])
    if source in SETS:
        (x, _), test = {"mnist": load_mnist, "fashion-mnist": load_fashion_mnist}[source](subset="auto")
        return Data(x, *test)
    return load_arrays(source, split)


def _kind(x):
    return f"vectors of {x.shape[1]:,}" if x.ndim == 2 else f"images of {'x'.join(map(str, x.shape[1:]))}"


def _train(build, data, epochs, batch_size, val, out, figure_name, title):
    """Fit the model that `build` makes, compare it with the mean image, write everything to `out`."""
    from minicae import plots

    model = build()
    code = math.prod(model.encoder.output_shape)
    print(
        f"{len(data.train):,} {_kind(data.train)} to train on, {len(data.test):,} to test on;"
        f" {model.parameters.values.size:,} parameters, a code of {code:,} numbers",
        flush=True,
    )
    _compile_kernels(build, data.train[:batch_size])
    files = out / "model.minicae", out / figure_name, out / "history.csv"
    keep = CSVLogger(files[2]), ModelCheckpoint(files[0])
    history = model.fit(data.train, epochs=epochs, batch_size=batch_size, validation_split=val, callbacks=keep)
    error, baseline = _errors(model, data)
    gain = (
        f"{baseline / max(error, 1e-12):.1f} times less" if error < baseline else "no less, so nothing is learned yet"
    )
    print(f"test MSE {error:.5f}, mean image {baseline:.5f}: {gain}")
    title = f"{title}: test MSE {error:.4f}, mean image {baseline:.4f}"
    x = data.test[:IN_FIGURE]
    labels = None if data.labels is None else data.labels[:IN_FIGURE]
    figure = plots.report_figure(x, model.reconstruct(x), model.encode(x), history, labels, title, model.loss)
    _save_figure(figure, files[1])
    print(f"wrote {files[0]}, {files[1]} and {files[2]}")


def _compile_kernels(build, x):
    """One step of a model that is thrown away: what has to be compiled is compiled here, and not under the progress bar."""
    notice = threading.Timer(2.0, print, ["compiling kernels (first run only) ..."], {"flush": True})
    notice.start()
    try:
        build().train_on_batch(x)
    finally:
        notice.cancel()


def _errors(model, data):
    """Mean squared errors over the test samples: of the reconstructions, and of the mean training sample."""
    mean, sums = data.train.mean(0, dtype=np.float64), np.zeros(2)
    for first in range(0, len(data.test), IN_FIGURE):
        x = data.test[first : first + IN_FIGURE]
        sums += np.square(model.reconstruct(x) - x).sum(dtype=np.float64), np.square(mean - x).sum()
    return sums / data.test.size


def _save_figure(figure, path):
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=150, bbox_inches="tight", pad_inches=0.15)


def _parser():
    parser = Parser(
        prog="minicae",
        description="Autoencoders from scratch: train one, look at it, check the engine below it.",
        epilog="example:\n  minicae demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"minicae {minicae.__version__}")
    parser.set_defaults(run=lambda arguments: parser.print_help())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands, each with its own --help")

    def command(run, example):
        added = commands.add_parser(
            run.__name__,
            help=run.__doc__,
            description=run.__doc__,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(run=run)
        return added.add_argument

    def data(option):
        option("--data", type=SOURCE, required=True, help="glyphs, mnist, fashion-mnist, FILE.npy or FILE.npz")

    def folder(option):
        option("--out", metavar="DIR", default="minicae-out", help="where the results go (%(default)s)")

    option = command(demo, "minicae demo --out first-look")
    folder(option)
    option("--epochs", type=COUNT, default=4, metavar="N", help="passes over the digits (%(default)s)")
    option("--images", type=COUNT, default=6_000, metavar="N", help="digits to train on (%(default)s)")
    option("--seed", type=SEED, default=0, metavar="N", help="of the digits and of the model (%(default)s)")

    option = command(train, "minicae train --data mnist --model convolutional --code 32 --epochs 3 --out mnist-32")
    data(option)
    folder(option)
    option("--model", choices=MODELS, default="convolutional", metavar="NAME", help=f"{', '.join(MODELS)} (the last)")
    option("--epochs", type=COUNT, default=5, metavar="N", help="passes over the samples (%(default)s)")
    option("--batch-size", type=COUNT, default=64, metavar="N", help="samples of one update (%(default)s)")
    option("--seed", type=SEED, default=0, metavar="N", help="of weights and order (%(default)s)")
    option(
        "--val", type=SHARE, default=0.0, metavar="SHARE", help="of the training samples, to validate on (%(default)s)"
    )
    option("--learning-rate", type=RATE, metavar="RATE", help="of Adam (the model's own)")
    option(
        "--loss", choices=tuple(LOSSES), metavar="NAME", help=f"{', '.join(LOSSES)} (bce for values in 0..1, else mse)"
    )
    option("--sizes", type=COUNTS, metavar="N,N,...", help="basic, stacked: numbers in each layer, the samples' first")
    option("--filters", type=COUNTS, metavar="N,N,...", help="convolutional: channels of each stage (64,128,256)")
    option("--code", type=COUNT, metavar="N", help="convolutional: numbers in the code (the last stage's maps)")
    option("--last-kernel", type=COUNT, metavar="N", help="convolutional: pixels of the last kernel (3)")
    option(
        "--interpolation", choices=("nearest", "bilinear"), metavar="NAME", help="convolutional: nearest or bilinear"
    )

    option = command(reconstruct, "minicae reconstruct minicae-out/model.minicae --data glyphs --count 100")
    option("model", metavar="MODEL", help="a file that demo or train has written")
    data(option)
    folder(option)
    option("--count", type=COUNT, metavar="N", help="reconstruct the first N samples only")

    option = command(gradcheck, "minicae gradcheck --backend all")
    names = (*kernels.NAMES, "all")
    option("--backend", choices=names, default="cpu", metavar="NAME", help=f"{', '.join(names)} (%(default)s)")

    command(doctor, "minicae doctor")
    return parser

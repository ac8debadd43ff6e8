"""What several commands do: read the data that --data names, fit a model and report, save a figure."""

import math

import numpy as np

from minicae.arguments import SETS, SOURCE
from minicae.datasets import load_fashion_mnist, load_mnist, make_glyphs
from minicae.datasets.arrays import Data, load_arrays
from minicae.errors import SettingError
from minicae.files import replacing
from minicae.layers.condition import conditioned
from minicae.training.callbacks import CSVLogger, ModelCheckpoint

MODELS = (
    *("basic", "stacked", "convolutional", "denoising", "sparse", "contractive", "variational"),
    "conditional_variational",
)
GLYPHS = 9_000, 1_000  # digits that --data glyphs stands for: to train on, to test on
CLASSES = 1_000  # at most: each is a column more
IN_FIGURE = 1_000  # test samples whose codes are drawn


def data_option(option, default=None):
    """--data, for commands that read samples; without a default it must be given."""
    text = "glyphs, mnist, fashion-mnist, FILE.npy or FILE.npz" + (f" ({default})" if default else "")
    option("--data", type=SOURCE, required=default is None, default=default, help=text)


def folder_option(option):
    """--out, for commands that write files."""
    option("--out", metavar="DIR", default="minicae-out", help="where the results go (%(default)s)")


def load_data(source, split=True) -> Data:
    """The data that --data names; with split=False, the samples of a file are all test samples."""
    if source == "glyphs":
        x, y = make_glyphs(sum(GLYPHS))
        return Data(x[: GLYPHS[0]], x[GLYPHS[0] :], y[GLYPHS[0] :], y[: GLYPHS[0]])
    if source in SETS:
        (x, y), test = {"mnist": load_mnist, "fashion-mnist": load_fashion_mnist}[source](subset="auto")
        return Data(x, *test, y)
    return load_arrays(source, split)


def kind(x) -> str:
    """What samples x (N, ...) are, in words."""
    return f"vectors of {x.shape[1]:,}" if x.ndim == 2 else f"images of {'x'.join(map(str, x.shape[1:]))}"


def classes(*labels) -> int:
    """How many classes labels (N,) are of, counted from 0; SettingError where they are none, or no whole numbers."""
    if any(y is None for y in labels):
        raise SettingError(
            "a conditional model needs the class of each sample: give glyphs, mnist, fashion-mnist, or a .npz file that"
            " holds y beside x, or y_train and y_test"
        )
    y = np.concatenate(labels)
    if y.dtype.kind not in "iub" or y.min() < 0 or y.max() >= CLASSES:
        raise SettingError(f"a conditional model takes classes that are whole numbers from 0 to {CLASSES - 1}")
    return int(y.max()) + 1


def told(model, x, labels) -> np.ndarray:
    """x as the model takes it: with the labels, where it is a conditional one."""
    if model.input_shape == model.output_shape:
        return x
    classes(labels)
    return conditioned(x, labels)


def fit(build, data, epochs, batch_size, val, resume, out, figure_name, title):
    """Fit the model that `build` makes, compare it with the mean image, write everything to `out`.

    With `resume`, the training whose model is in `out` already goes on there.
    """
    from minicae import plots

    model = build()
    code = math.prod(model.encoder.output_shape)
    print(
        f"{len(data.train):,} {kind(data.train)} to train on, {len(data.test):,} to test on;"
        f" {model.parameters.size:,} parameters, a code of {code:,} numbers",
        flush=True,
    )
    train = told(model, data.train, data.train_labels)
    _compile_kernels(build, train[:batch_size], data.train[:batch_size])
    files = out / "model.minicae", out / figure_name, out / "history.csv"
    keep = CSVLogger(files[2]), ModelCheckpoint(files[0])
    course = {"epochs": epochs, "batch_size": batch_size, "validation_split": val, "callbacks": keep}
    y = None if train is data.train else data.train
    try:
        history = model.fit(train, y, **course, resume=files[0] if resume else None)
    except KeyboardInterrupt as stop:
        known = str(stop).startswith("interrupted")
        raise KeyboardInterrupt(f"{stop}: saved in {files[0]}, --resume goes on" if known else "interrupted") from None
    error, baseline = _errors(model, data)
    gain = (
        f"{baseline / max(error, 1e-12):.1f} times less" if error < baseline else "no less, so nothing is learned yet"
    )
    print(f"test MSE {error:.5f}, mean image {baseline:.5f}: {gain}")
    title = f"{title}: test MSE {error:.4f}, mean image {baseline:.4f}"
    x = data.test[:IN_FIGURE]
    labels = None if data.labels is None else data.labels[:IN_FIGURE]
    given = told(model, x, labels)
    codes = model.code_without_labels(model.encode(given))
    figure = plots.report_figure(x, model.reconstruct(given), codes, history, labels, title, model.loss)
    save_figure(figure, files[1])
    print(f"wrote {files[0]}, {files[1]} and {files[2]}")


def _compile_kernels(build, x, y):
    """One step of a model that is thrown away: what has to be compiled is compiled here, and not under the progress bar."""
    build().train_on_batch(x, y)


def _errors(model, data):
    """Mean squared errors over the test samples: of the reconstructions, and of the mean training sample."""
    mean, sums = data.train.mean(0, dtype=np.float64), np.zeros(2)
    for first in range(0, len(data.test), IN_FIGURE):
        x = data.test[first : first + IN_FIGURE]
        labels = None if data.labels is None else data.labels[first : first + IN_FIGURE]
        sums += (
            np.square(model.reconstruct(told(model, x, labels)) - x).sum(dtype=np.float64),
            np.square(mean - x).sum(),
        )
    return sums / data.test.size


def save_figure(figure, path):
    """Write a figure as PNG; a file that was there is replaced when the new one is complete."""
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=150, bbox_inches="tight", pad_inches=0.15)

"""What trained networks are worth, on images that they were not trained on, each beside a baseline.

Every network trains a few epochs with a learning rate that falls to zero along half a cosine. What is asked of the tasks
stands in the notes as "wanted".
"""

import sys
import time
import warnings
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks.rows import Row
from minicae import tasks
from minicae.datasets import load_mnist, make_glyphs
from minicae.errors import DatasetError
from minicae.layers import OcclusionNoise
from minicae.models import stacking, zoo
from minicae.optimizers import Adam
from minicae.schedules import CosineDecay

TITLE = "what trained networks are worth, on images that they were not trained on"
CODE = 32  # numbers in every code that is compared
BATCH = 64
DEEP = (784, 256, 128, 64, CODE)
SIGMA, HOLE = 0.3, 10  # noise of denoising, in units of white; side of the hole of inpainting, pixels


class Digits(NamedTuple):
    """Images (N, 28, 28, 1) and their digits."""

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def digits(quick=False) -> Digits:
    """The 10,000 MNIST test images, the first 9,000 of them to train on; glyphs where MNIST is not here; few if quick."""
    source, count = "MNIST", 100 if quick else 10_000
    try:
        train, test = load_mnist(download=False, subset="test")
    except DatasetError:
        x, y = make_glyphs(count)
        train, test, source = (x[: -count // 10], y[: -count // 10]), (x[-count // 10 :], y[-count // 10 :]), "glyphs"
    train, test = ([array[:size] for array in part] for part, size in ((train, 9 * count // 10), (test, count // 10)))
    return Digits(f"{source}: {len(train[0]):,} images to train on, {len(test[0]):,} to test on", *train, *test)


def rows(session):
    """One case a question."""
    if not session.chosen(["minicae"]):
        return
    data, lab = digits(session.quick), Laboratory(session.quick)
    session.extras["data"] = data.name
    yield from reconstruction(data, lab)
    yield from denoising(data, lab)
    yield from inpainting(data, lab)
    yield from anomalies(data, lab)
    yield from neighbours(data, lab)


class Laboratory:
    """Trains networks, and keeps those that are asked for again."""

    def __init__(self, quick):
        self.quick, self.backend, self.kept = quick, "reference" if quick else "cpu", {}

    def train(self, model, x, epochs, rate=0.002, pretrained=0):
        """The model trained on x, and how, in words; `pretrained` epochs of each layer first."""
        start, epochs = time.perf_counter(), 1 if self.quick else epochs
        x = x.reshape(len(x), *model.input_shape)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a code that says little is for the table to show
            if pretrained:
                stacking.pretrain(model, x, 1 if self.quick else pretrained, BATCH, optimizer=Adam(0.001), verbose=0)
            model.compile(model.loss, Adam(CosineDecay(rate, epochs * -(-len(x) // BATCH))))
            model.fit(x, epochs=epochs, batch_size=BATCH, verbose=0)
        seconds = time.perf_counter() - start
        note = f"{model.parameters.size:,} parameters, {epochs} epochs, {seconds:.0f} s"
        return model, f"{note}, each layer {pretrained} before" if pretrained else note


def networks(lab):
    """{name: (what makes it, how `Laboratory.train` is called)}, all with codes of CODE numbers."""
    shared = {"backend": lab.backend}
    dense = partial(zoo.stacked, activation="relu", loss="bce", **shared)
    variant = {"code": CODE, "widths": (256,), **shared}
    return {
        "dense, 784-256-32": (partial(dense, (784, 256, CODE)), {"epochs": 30}),
        "dense, tied weights": (partial(dense, (784, 256, CODE), tied=True), {"epochs": 30}),
        "stacked, end to end": (partial(dense, DEEP), {"epochs": 30}),
        "stacked, greedy, then fine-tuned": (partial(dense, DEEP), {"epochs": 30, "pretrained": 5}),
        "convolutional": (partial(zoo.convolutional, filters=(16, 32, 32), code=CODE, **shared), {"epochs": 20}),
        "denoising": (partial(zoo.denoising, **variant), {"epochs": 30}),
        "sparse, L1": (partial(zoo.sparse, **variant), {"epochs": 30}),
        "sparse, KL": (partial(zoo.sparse, penalty="kl", **variant), {"epochs": 30}),
        "contractive": (partial(zoo.contractive, **variant), {"epochs": 20}),
        "variational": (partial(zoo.variational, **variant), {"epochs": 30}),
    }


def reconstruction(data, lab):
    """Test squared error of every kind of network, all with codes of the same size."""
    case = f"reconstruction by codes of {CODE}, {data.name}"
    mean = np.square(data.x_test - data.x_train.mean(0)).mean(dtype=float)
    pca = tasks.PCA(CODE).fit(data.x_train)
    base = pca.reconstruction_error(data.x_test).mean()
    yield _row(case, "mean image", mean, "MSE", mean / base)
    yield _row(case, f"PCA, {CODE}", base, "MSE", 1.0)
    for name, (make, how) in networks(lab).items():
        model, note = lab.train(make(), data.x_train, **how)
        lab.kept[name] = model
        x = data.x_test.reshape(len(data.x_test), *model.input_shape)
        error = model.reconstruction_error(x).mean(dtype=float)
        yield _row(case, name, error, "MSE", error / base, note)


def denoising(data, lab):
    """PSNR of noisy images, of a median filter and of a network that was trained with this noise."""
    case = f"denoising, Gaussian noise of {SIGMA}, {data.name}"
    settings = {"widths": (16, 32), "code": 64, "backend": lab.backend}
    model, note = lab.train(zoo.denoising("convolutional", **settings), data.x_train, 8)
    x = data.x_test
    noisy = x + np.float32(SIGMA) * np.random.default_rng(0).standard_normal(x.shape, np.float32)
    report = tasks.denoising_report(model, x, noisy)
    before = report["noisy"]["psnr"]
    for name, row in report.rows.items():
        text = f"SSIM {row['ssim']:.3f}"
        if name == "model":
            name, text = "convolutional", f"{text}, gain {row['psnr'] - before:.1f} dB (wanted: 6), {note}"
        yield _row(case, name, row["psnr"], "dB", None, text)


def inpainting(data, lab):
    """Error inside a hole at a random place, of the mean image and of a network trained with such holes."""
    case = f"inpainting a hole of {HOLE}x{HOLE} pixels, {data.name}"
    settings = {"widths": (24, 48), "code": 64, "noise": OcclusionNoise(HOLE), "backend": lab.backend}
    model, note = lab.train(zoo.denoising("convolutional", **settings), data.x_train, 15)
    mask = tasks.square_mask(data.x_test.shape, HOLE, "random")
    report = tasks.inpainting_report(model, data.x_test, mask, data.x_train.mean(0), 2)
    base = report["mean image"]["mse"]
    for name, row in report.rows.items():
        name, text = name.replace("model", "convolutional"), ""
        if name == "convolutional, once":
            text = f"(wanted: at most half of the mean image's), {note}"
        yield _row(case, name, row["mse"], "MSE in the hole", row["mse"] / base, text)


def anomalies(data, lab):
    """ROC-AUC, averaged over the digits: each in turn is normal, and the others are to be told from it."""
    case = f"anomalies, each digit in turn the normal one, {data.name}"
    areas, precisions, seconds = {}, {}, 0.0
    for digit in np.unique(data.y_test)[: 2 if lab.quick else 10]:
        normal = data.x_train[data.y_train == digit]
        start = time.perf_counter()
        model = zoo.denoising(widths=(256,), code=min(CODE, len(normal)), backend=lab.backend)
        model, _ = lab.train(model, normal, 60)
        seconds += time.perf_counter() - start
        report = tasks.anomaly_report(model, normal, data.x_test, data.y_test != digit)
        for name, row in zip(("model", "PCA"), report.rows.values()):
            areas.setdefault(name, []).append(row["roc_auc"])
            precisions.setdefault(name, []).append(row["average_precision"])
    for name, label in (("PCA", f"PCA, {CODE}"), ("model", f"dense denoising, 784-256-{CODE}")):
        text = f"average precision {np.mean(precisions[name]):.3f}, least AUC {min(areas[name]):.3f}"
        if name == "model":
            text += f" (wanted: above PCA, and 0.93), {seconds:.0f} s"
        yield _row(case, label, np.mean(areas[name]), "AUC", None, text)


def neighbours(data, lab):
    """Share of test digits named rightly by their five nearest neighbours among the training digits."""
    case = f"five nearest neighbours, {data.name}"
    labels = data.y_train, data.y_test
    raw = tasks.knn_accuracy(data.x_train, labels[0], data.x_test, labels[1])
    yield _row(case, "raw pixels, 784", 100 * raw, "%", None)
    candidates = {f"PCA, {CODE}": tasks.PCA(CODE).fit(data.x_train)} | lab.kept
    for name, model in candidates.items():
        codes = [tasks.features(model, x.reshape(len(x), *model.input_shape)) for x in (data.x_train, data.x_test)]
        accuracy = tasks.knn_accuracy(codes[0], labels[0], codes[1], labels[1])
        text = f"{100 * (accuracy - raw):+.1f} points"
        yield _row(case, name, 100 * accuracy, "%", None, text + " (wanted: -1 at least)" * (name == "convolutional"))


def _row(case, name, value, unit, ratio=None, note=""):
    print(f"  {name}: {value:.4g} {unit}", file=sys.stderr, flush=True)
    return Row(case, name, float(value), count=1, unit=unit, ratio=None if ratio is None else float(ratio), note=note)

"""Every public function of `tasks` and `metrics`, each argument in turn replaced by what is no such thing: an error of
minicae's own, in one line, or an answer; never a traceback from the depths of NumPy.
"""

import inspect
import warnings

import numpy as np
import pytest

from minicae import metrics, tasks
from minicae.errors import MinicaeError

RNG = np.random.default_rng(0)
IMAGES, OTHER = RNG.random((12, 12, 12, 1)), RNG.random((12, 12, 12, 1))
CODES, LABELS = RNG.random((12, 3)), np.arange(12) % 3
MASK = np.zeros((12, 12, 12, 1), bool)
MASK[:, 3:5] = True
FLAGS = LABELS == 1
JUNK = [
    *(None, object(), "x", b"x", True, 3, -1, 0.5, 1 + 2j, np.nan, np.inf, {}, {"a": 1}, {1, 2}, len, int),
    *(
        [],
        [[]],
        ["a"],
        [None],
        [[1], [1, 2]],
        [[[1.0], [2.0]], [[1.0]]],
        [1j],
        [object()],
        ["a", 1],
        [[["a"]]],
        (1, 2, 3),
    ),
    *(range(3), iter([1, 2]), np.array(3), np.zeros(0), np.zeros((0, 3)), np.zeros((3, 0)), np.zeros((12, 0, 12, 1))),
    *(np.zeros((2, 3), complex), np.array(["a", "b"]), np.array([b"a"] * 12), np.array([None] * 12), np.arange(12)),
    *(np.ma.masked_array([1.0, 2.0], [True, False]), np.full((12, 3), np.nan), np.array(["2020"], "M8[Y]"), np.eye(3)),
    *(np.zeros(2, [("a", "f4")]), np.array([10**400], object), np.zeros((2, 2, 2, 2, 2)), np.zeros(12), ["a"] * 12),
]


class Model:
    """Keeps the mean of each row of an image, and the label that it is asked for."""

    input_shape = (12, 12, 1)
    size = 12

    def encode(self, x):
        return np.asarray(x, float)[..., 0].mean(2)

    def decode(self, z):
        return np.ones((len(z), 12, 12, 1)) * z[:, :, None, None]

    def reconstruct(self, x):
        return self.decode(self.encode(x))

    def sample(self, n, seed=0, label=None):
        return self.decode(np.random.default_rng(seed).random((n, 12)))


MODEL = tasks.PCA(2).fit(IMAGES)
PROBE, RIDGE = tasks.linear_probe(CODES, LABELS), tasks.ridge(CODES, LABELS)
DETECTOR = tasks.AnomalyDetector(MODEL).fit(IMAGES)
SAMPLES = {"x_train": IMAGES, "y_train": LABELS, "x_test": OTHER, "y_test": LABELS}
CALLS = [  # (function, arguments with which it works)
    (tasks.PCA, {"size": 2}),
    (tasks.PCA(2).fit, {"x": IMAGES}),
    (MODEL.encode, {"x": IMAGES}),
    (MODEL.decode, {"z": CODES[:, :2]}),
    (MODEL.reconstruct, {"x": IMAGES}),
    (MODEL.reconstruction_error, {"x": IMAGES, "per": "pixel"}),
    (MODEL.sample, {"n": 3, "seed": 0}),
    (tasks.AnomalyDetector, {"model": MODEL, "threshold": "sigma", "quantile": 0.5, "k": 2}),
    (DETECTOR.fit, {"x": IMAGES}),
    (DETECTOR.score, {"x": IMAGES}),
    (DETECTOR.predict, {"x": IMAGES}),
    (DETECTOR.heat_map, {"x": IMAGES}),
    (PROBE.predict, {"codes": CODES}),
    (PROBE.probabilities, {"codes": CODES}),
    (PROBE.accuracy, {"codes": CODES, "labels": LABELS}),
    (RIDGE.predict, {"codes": CODES}),
    (RIDGE.r2, {"codes": CODES, "targets": LABELS}),
    (tasks.anomaly_report, {"model": MODEL, "x_train": IMAGES, "x_test": OTHER, "anomalous": FLAGS}),
    (tasks.conditional_samples, {"model": Model(), "labels": LABELS, "seed": 0}),
    (tasks.denoise, {"model": MODEL, "x_noisy": IMAGES}),
    (tasks.denoising_report, {"model": MODEL, "x": IMAGES, "x_noisy": OTHER}),
    (
        tasks.feature_report,
        {"model": MODEL, **SAMPLES, "targets_train": LABELS, "targets_test": LABELS, "penalty": 0.1, "seed": 0},
    ),
    (tasks.features, {"model": MODEL, "x": IMAGES}),
    (tasks.generation_report, {"model": MODEL, "x_train": IMAGES, "x_test": OTHER, "seed": 0}),
    (tasks.half_mask, {"shape": IMAGES.shape, "side": "top"}),
    (tasks.inpaint, {"model": MODEL, "x": IMAGES, "mask": MASK, "iterations": 1, "fill": 0.0}),
    (
        tasks.inpainting_report,
        {"model": MODEL, "x": IMAGES, "mask": MASK, "mean": IMAGES[0], "iterations": 1, "fill": 0},
    ),
    (tasks.interpolate, {"model": MODEL, "a": IMAGES, "b": OTHER, "steps": 2, "kind": "linear"}),
    (tasks.kmeans, {"codes": CODES, "clusters": 2, "seed": 0, "restarts": 1, "iterations": 3}),
    (tasks.knn_accuracy, {"z_train": CODES, "y_train": LABELS, "z_test": CODES, "y_test": LABELS, "k": 2}),
    (tasks.linear_probe, {"codes": CODES, "labels": LABELS, "penalty": 0.1}),
    (tasks.masked_error, {"x_hat": OTHER, "x": IMAGES, "mask": MASK}),
    (tasks.median_filter, {"x": IMAGES, "size": 3}),
    (tasks.random_mask, {"shape": IMAGES.shape, "share": 0.3, "seed": 0}),
    (tasks.reduction_report, {"model": MODEL, **SAMPLES, "k": 2}),
    (tasks.ridge, {"codes": CODES, "targets": LABELS, "penalty": 0.1}),
    (tasks.sample_grid, {"model": MODEL, "n": 2, "extent": 1.0}),
    (tasks.square_mask, {"shape": IMAGES.shape, "size": 3, "place": "random", "seed": 0}),
    (tasks.trustworthiness, {"x": IMAGES, "z": CODES, "k": 2}),
    (metrics.mean_squared_error, {"y": IMAGES, "target": OTHER}),
    (metrics.mean_absolute_error, {"y": IMAGES, "target": OTHER}),
    (metrics.psnr, {"y": IMAGES, "target": OTHER}),
    (metrics.ssim, {"y": IMAGES, "target": OTHER, "window": 5, "sigma": 1.0}),
    (metrics.roc_auc, {"positive": FLAGS, "scores": CODES[:, 0]}),
    (metrics.average_precision, {"positive": FLAGS, "scores": CODES[:, 0]}),
    (metrics.adjusted_rand_index, {"labels": LABELS, "clusters": LABELS}),
    (metrics.get, {"metric": "mse"}),
    (metrics.get_all, {"metrics": ["mse"]}),
]
NAMES = [getattr(function, "__qualname__", str(function)) for function, _ in CALLS]


def attempt(function, arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            function(**arguments)
        except MinicaeError as error:
            assert "\n" not in error.message, error.message


@pytest.mark.parametrize("function, arguments", CALLS, ids=NAMES)
def test_junk_meets_an_error_of_minicae(function, arguments):
    function(**arguments)
    for name in arguments:
        for junk in JUNK:
            try:
                attempt(function, arguments | {name: junk})
            except Exception as error:
                pytest.fail(f"{name}={junk!r}: {type(error).__name__}: {error}")


@pytest.mark.parametrize("function, arguments", [call for call in CALLS if len(call[1]) > 1])
def test_junk_everywhere(function, arguments):
    kept = {"model": arguments["model"]} if "model" in arguments else {}
    for junk in JUNK:
        try:
            attempt(function, dict.fromkeys(arguments, junk) | kept)
        except Exception as error:
            pytest.fail(f"everything {junk!r}: {type(error).__name__}: {error}")


def test_nothing_public_is_left_out():
    public = {getattr(tasks, name) for name in tasks.__all__}
    public |= {one for one in vars(metrics).values() if inspect.isfunction(one) and one.__module__ == metrics.__name__}
    public = {one.__name__ for one in public if not one.__name__.startswith("_")}
    assert public - {"Report", "LinearProbe", "Ridge"} <= {function.__name__ for function, _ in CALLS}

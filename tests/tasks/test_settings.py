"""Every setting of a task changes its answer, and no setting is left out of the table."""

import inspect

import numpy as np
import pytest

import minicae as mc
from minicae import tasks

RNG = np.random.default_rng(0)
X, OTHER = RNG.random((40, 12, 12, 1)), RNG.random((40, 12, 12, 1))
CODES, LABELS = RNG.standard_normal((40, 3)), np.arange(40) % 2
MASK = tasks.half_mask(X.shape)
MODEL = tasks.PCA(2).fit(X)
CONDITIONAL = mc.zoo.conditional_variational(input_shape=6, classes=2, widths=(5,), code=2, backend="reference")
DATA = {"model", "x", "x_hat", "x_noisy", "x_train", "y_train", "x_test", "y_test", "targets_train", "targets_test"}
DATA |= {
    "a",
    "b",
    "codes",
    "labels",
    "mask",
    "mean",
    "shape",
    "z",
    "z_train",
    "y_test",
    "z_test",
    "anomalous",
    "targets",
}
SPLIT = X, LABELS, OTHER, LABELS
CALLS = {  # function: (what it is about, {setting: another value}, settings under which those matter)
    tasks.conditional_samples: ((CONDITIONAL, LABELS), {"seed": 1}, {}),
    tasks.feature_report: ((MODEL, *SPLIT), {"penalty": 1.0, "seed": 3}, {}),
    tasks.generation_report: ((MODEL, X, OTHER), {"seed": 1}, {}),
    tasks.half_mask: ((X.shape,), {"side": "top"}, {}),
    tasks.inpaint: ((MODEL, X, MASK), {"iterations": 2, "fill": 0.5}, {}),
    tasks.inpainting_report: ((MODEL, X, MASK, X.mean(0)), {"iterations": 2, "fill": 0.5}, {}),
    tasks.interpolate: ((MODEL, X[0], X[1]), {"steps": 5, "kind": "spherical"}, {}),
    tasks.kmeans: ((CODES, 8), {"seed": 1, "restarts": 40, "iterations": 1}, {}),
    tasks.knn_accuracy: ((CODES, LABELS, CODES, LABELS), {"k": 1}, {}),
    tasks.linear_probe: ((CODES, LABELS), {"penalty": 0.5}, {}),
    tasks.median_filter: ((X,), {"size": 5}, {}),
    tasks.random_mask: ((X.shape,), {"share": 0.2, "seed": 1}, {}),
    tasks.reduction_report: ((MODEL, *SPLIT), {"k": 2}, {}),
    tasks.ridge: ((CODES, LABELS), {"penalty": 0.5}, {}),
    tasks.sample_grid: ((MODEL,), {"n": 3, "extent": 1.0}, {}),
    tasks.square_mask: ((X.shape, 3), {"place": "random", "seed": 1}, {"place": "random"}),
    tasks.trustworthiness: ((X, CODES), {"k": 2}, {}),
}


def answer(found):
    """What can be compared of an answer."""
    if isinstance(found, tuple):
        return [answer(one) for one in found]
    found = {key: answer(one) for key, one in vars(found).items()} if hasattr(found, "weights") else found
    return found.tolist() if isinstance(found, np.ndarray) else found


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
def test_every_setting_changes_the_answer(function):
    data, others, under = CALLS[function]
    for name, value in others.items():
        base = under if name == "seed" else {}
        assert answer(function(*data, **base)) != answer(function(*data, **base | {name: value})), name


def test_no_setting_is_left_out():
    for function in (getattr(tasks, name) for name in tasks.__all__):
        if inspect.isfunction(function):
            names = inspect.signature(function).parameters
            settings = {name for name, given in names.items() if given.default is not given.empty} - DATA
            assert settings == set(CALLS.get(function, ((), {}))[1]), function.__name__

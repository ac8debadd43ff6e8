"""Linear probes: optimal, the same as scikit-learn's, and refusals."""

import numpy as np
import pytest

from minicae import tasks
from minicae.errors import DataError, SettingError, ShapeError
from minicae.tasks import probes


def problem(n=150, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    codes = rng.standard_normal((n, 4)) * [1, 5, 0.2, 1] + labels[:, None] * [1, -2, 0.1, 0] + 7
    return codes, labels


@pytest.mark.parametrize("penalty", [1e-1, 1e-3])
def test_the_probe_is_optimal(penalty):
    codes, labels = problem()
    probe = tasks.linear_probe(codes, labels, penalty)
    inputs = (codes - codes.mean(0)) / np.sqrt(np.square(codes - codes.mean(0)).mean())
    excess = (probe.probabilities(codes) - np.eye(3)[labels]) / len(codes)
    assert np.abs(inputs.T @ excess + penalty * probe.weights).max() < 1e-5
    assert np.abs(excess.sum(0)).max() < 1e-5
    assert np.allclose(probe.probabilities(codes).sum(1), 1)


@pytest.mark.parametrize("penalty", [1e-4, 1e-3])
def test_few_steps_are_enough(penalty, monkeypatch):
    """Classes well apart, in columns of different sizes: the bound alone is far from the Hessian there."""
    monkeypatch.setattr(probes, "STEPS", 90)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 600)
    codes = rng.standard_normal((600, 40))
    codes[:, :5] += 12 * np.eye(5)[labels]
    codes *= np.geomspace(1, 0.1, 40)
    probe = tasks.linear_probe(codes, labels, penalty)
    inputs = (codes - codes.mean(0)) / np.sqrt(np.square(codes - codes.mean(0)).mean())
    excess = (probe.probabilities(codes) - np.eye(5)[labels]) / len(codes)
    assert np.abs(inputs.T @ excess + penalty * probe.weights).max() < 1e-5


def test_classes_that_a_line_parts_need_no_penalty():
    """There is no optimum: the weights grow until the gradient is as small as it need be."""
    codes = np.array([[-1.0, 0], [-2, 1], [1, 0], [3, 1], [1000, -1]])
    probe = tasks.linear_probe(codes, [0, 0, 1, 1, 1], 0)
    assert np.isfinite(probe.weights).all() and probe.accuracy(codes, [0, 0, 1, 1, 1]) == 1
    assert probe.probabilities(codes).max(1).min() > 0.99


def test_the_probe_agrees_with_scikit_learn():
    linear = pytest.importorskip("sklearn.linear_model")
    codes, labels = problem()
    inputs = (codes - codes.mean(0)) / np.sqrt(np.square(codes - codes.mean(0)).mean())
    theirs = linear.LogisticRegression(C=1 / (0.01 * len(codes)), tol=1e-8, max_iter=5_000).fit(inputs, labels)
    ours = tasks.linear_probe(codes, labels, 0.01)
    assert np.allclose(ours.probabilities(codes), theirs.predict_proba(inputs), atol=1e-3)
    assert ours.accuracy(codes, labels) == pytest.approx(theirs.score(inputs, labels), abs=0.01)


def test_what_can_be_told_apart_is():
    codes = np.array([[0.0, 1], [0, 2], [5, 1], [5, 2]])
    probe = tasks.linear_probe(codes, ["low", "low", "high", "high"])
    assert probe.predict(codes).tolist() == ["low", "low", "high", "high"]
    assert probe.predict([[-3.0, 0], [9, 0]]).tolist() == ["low", "high"]
    assert probe.accuracy(codes, ["low", "high", "high", "high"]) == 0.75


def test_columns_that_are_always_the_same_do_no_harm():
    codes, labels = problem()
    dead = np.column_stack([codes, np.zeros((len(codes), 3))])
    alive = tasks.linear_probe(codes, labels, 0).probabilities(codes)
    assert np.allclose(tasks.linear_probe(dead, labels, 0).probabilities(dead), alive, atol=1e-3)
    flat = np.ones((6, 2))
    assert tasks.linear_probe(flat, [0, 0, 0, 0, 1, 1]).predict(flat).tolist() == [0] * 6


def test_ridge_by_hand():
    codes, targets = np.array([[-1.0], [1.0]]), np.array([1.0, 5.0])
    fitted = tasks.ridge(codes, targets, penalty=0)
    assert np.allclose(fitted.predict(codes), targets) and fitted.r2(codes, targets) == pytest.approx(1)
    # mean of |x w - t|^2 + p w^2 with x = -1, 1 and t = -2, 2 is least at w = 2 / (1 + p)
    assert np.allclose(tasks.ridge(codes, targets, penalty=1).predict(codes), [2, 4])
    assert tasks.ridge(codes, targets, penalty=1).r2(codes, targets) == pytest.approx(0.75)


def test_ridge_agrees_with_scikit_learn():
    linear = pytest.importorskip("sklearn.linear_model")
    codes, _ = problem()
    targets = codes @ np.arange(8).reshape(4, 2) + np.random.default_rng(1).standard_normal((150, 2))
    inputs = (codes - codes.mean(0)) / np.sqrt(np.square(codes - codes.mean(0)).mean())
    theirs = linear.Ridge(alpha=0.02 * 150).fit(inputs, targets)
    ours = tasks.ridge(codes, targets, 0.02)
    assert np.allclose(ours.predict(codes), theirs.predict(inputs))
    single = tasks.ridge(codes, targets[:, 0], 0.02)
    assert np.allclose(single.predict(codes), theirs.predict(inputs)[:, 0])
    assert single.r2(codes, targets[:, 0]) == pytest.approx(
        1 - np.square(targets[:, 0] - theirs.predict(inputs)[:, 0]).mean() / targets[:, 0].var()
    )


CODES, LABELS = problem(12)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: tasks.linear_probe(CODES, LABELS[1:]), ShapeError, "labels must be (12,)"),
        (lambda: tasks.linear_probe(CODES, LABELS * 0), DataError, "labels are all 0"),
        (lambda: tasks.linear_probe(CODES[:0], LABELS[:0]), DataError, "too small"),
        (lambda: tasks.linear_probe(CODES * np.inf, LABELS), DataError, "not finite"),
        (lambda: tasks.linear_probe(CODES, LABELS, -1), SettingError, "penalty must be"),
        (lambda: tasks.linear_probe(CODES, LABELS).predict(CODES[:, :2]), ShapeError, "the probe was fitted to 4"),
        (lambda: tasks.ridge(CODES, LABELS[1:]), ShapeError, "targets must be numbers"),
        (lambda: tasks.ridge(CODES, [None] * 12), ShapeError, "targets must be numbers"),
        (lambda: tasks.ridge(CODES, LABELS * np.nan), DataError, "not finite"),
        (lambda: tasks.ridge(CODES, LABELS).r2(CODES, np.ones(12)), DataError, "nothing to explain"),
        (lambda: tasks.ridge(CODES, LABELS).r2(CODES, np.ones((12, 2))), ShapeError, "targets must be (12,)"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value) and "\n" not in str(caught.value)

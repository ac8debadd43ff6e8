"""Metrics: numbers worked by hand, definitions in loops, scikit-learn, and refusals."""

import numpy as np
import pytest

from minicae import metrics
from minicae.errors import DataError, SettingError, ShapeError


def images(*shape, seed=0):
    return np.random.default_rng(seed).random(shape)


def test_errors_and_psnr_by_hand():
    target = np.zeros((2, 2, 2, 1), np.float32)
    y = target.copy()
    y[0] = 0.1
    y[1, 0, 0] = 1.0
    assert np.allclose(metrics.mean_squared_error(y, target), [0.01, 0.25])
    assert np.allclose(metrics.mean_absolute_error(y, target), [0.1, 0.25])
    assert np.allclose(metrics.psnr(y, target), [20.0, 10 * np.log10(4)], atol=1e-5)
    assert metrics.psnr(target, target).tolist() == [200.0, 200.0]  # kept finite


def test_ssim_of_flat_images_by_hand():
    a, b = np.full((1, 12, 11), 0.25), np.full((1, 12, 11), 0.75)
    want = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)  # no variance: the means alone
    assert np.allclose(metrics.ssim(a, b), want, rtol=1e-9)


def test_ssim_of_an_image_with_itself_is_1_and_with_its_negative_below_0():
    x = images(3, 16, 12, 2)
    assert np.allclose(metrics.ssim(x, x), 1)
    assert np.all(metrics.ssim(1 - x, x) < 0)


@pytest.mark.parametrize("window, sigma", [(3, 1.5), (5, 0.8)])
def test_ssim_is_its_definition(window, sigma):
    y, t = images(2, 6, 7, 2), images(2, 6, 7, 2, seed=1)
    offsets = np.arange(window) - window // 2
    weights = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    for n in range(2):
        values = []
        for i in range(6 - window + 1):
            for j in range(7 - window + 1):
                for c in range(2):
                    a, b = (one[n, i : i + window, j : j + window, c] for one in (y, t))
                    ma, mb = (weights * a).sum(), (weights * b).sum()
                    va, vb = (weights * (a - ma) ** 2).sum(), (weights * (b - mb) ** 2).sum()
                    both = (weights * (a - ma) * (b - mb)).sum()
                    low, high = 1e-4, 9e-4
                    top = (2 * ma * mb + low) * (2 * both + high)
                    values.append(top / ((ma**2 + mb**2 + low) * (va + vb + high)))
        assert np.isclose(metrics.ssim(y, t, window, sigma)[n], np.mean(values), rtol=1e-10)


def test_ssim_watches_training():
    import minicae as mc

    model = mc.Sequential([mc.layers.Conv2D(1, 3)], (12, 12, 1), backend="reference")
    model.compile("mse", metrics=["ssim"])
    x = images(3, 12, 12, 1).astype(np.float32)
    assert np.isclose(model.evaluate(x)["ssim"], metrics.ssim(model.predict(x), x).mean())


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: metrics.ssim(images(2, 12, 12), images(2, 12, 13)), ShapeError, "of one shape"),
        (lambda: metrics.ssim(images(2, 12, 9), images(2, 12, 9)), ShapeError, "at least 11x11"),
        (lambda: metrics.ssim(images(2, 200), images(2, 200)), ShapeError, "must be images"),
        (lambda: metrics.ssim(images(2, 12, 12), images(2, 12, 12), window=4), SettingError, "odd"),
        (lambda: metrics.ssim(images(2, 12, 12), images(2, 12, 12), sigma=0), SettingError, "sigma"),
        (lambda: metrics.roc_auc([1, 1], [0.1, 0.2]), DataError, "labels of one class"),
        (lambda: metrics.average_precision([], []), DataError, "labels of one class, 0 of them"),
        (lambda: metrics.roc_auc([1, 0], [0.1, np.nan]), DataError, "scores hold 1 NaN"),
        (lambda: metrics.roc_auc([1, 2], [0.1, 0.2]), DataError, "booleans, or 0 and 1"),
        (lambda: metrics.roc_auc(["a", "b"], [0.1, 0.2]), DataError, "booleans, or 0 and 1"),
        (lambda: metrics.roc_auc([1, 0, 1], [0.1, 0.2]), ShapeError, "must be (N,)"),
        (lambda: metrics.adjusted_rand_index([1, 0, 1], [0, 1]), ShapeError, "must be (N,)"),
        (lambda: metrics.adjusted_rand_index([], []), DataError, "empty"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


def test_roc_auc_by_hand():
    # positives 0.9 and 0.4, negatives 0.5, 0.4, 0.1: 0.9 beats three, 0.4 beats one and draws with one
    positive, scores = [True, False, True, False, False], [0.9, 0.5, 0.4, 0.4, 0.1]
    assert metrics.roc_auc(positive, scores) == pytest.approx(4.5 / 6)
    assert metrics.roc_auc(positive, np.zeros(5)) == 0.5
    assert metrics.roc_auc([0, 0, 1], [1, 2, np.inf]) == 1


def test_average_precision_by_hand():
    # thresholds 0.9: precision 1, recall 1/2; 0.5: no gain; 0.4 (two of them): precision 2/4, recall 1
    assert metrics.average_precision([1, 0, 1, 0, 0], [0.9, 0.5, 0.4, 0.4, 0.1]) == pytest.approx(0.5 + 0.5 * 2 / 4)
    assert metrics.average_precision([0, 1, 1], [1, 2, 3]) == 1
    assert metrics.average_precision([0, 1, 0, 0], np.zeros(4)) == 0.25


def test_adjusted_rand_index_by_hand():
    assert metrics.adjusted_rand_index([0, 0, 1, 1], ["b", "b", "a", "a"]) == 1
    # pairs together: both 1; one 2, other 3 of 6: expected 1, mean 2.5
    assert metrics.adjusted_rand_index([0, 0, 1, 1], [0, 0, 0, 1]) == pytest.approx((1 - 1) / 1.5)
    assert metrics.adjusted_rand_index([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx((0 - 4 / 6) / (2 - 4 / 6))
    assert metrics.adjusted_rand_index([3, 3], [1, 1]) == metrics.adjusted_rand_index([0], [5]) == 1


@pytest.mark.parametrize("seed", range(5))
def test_scores_agree_with_scikit_learn(seed):
    theirs = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    positive = rng.random(60) < 0.3
    scores = np.round(rng.random(60) + 0.3 * positive, 1 + seed)  # rounded: with ties
    assert metrics.roc_auc(positive, scores) == pytest.approx(theirs.roc_auc_score(positive, scores), abs=1e-12)
    want = theirs.average_precision_score(positive, scores)
    assert metrics.average_precision(positive.astype(int), scores) == pytest.approx(want, abs=1e-12)
    labels, clusters = rng.integers(0, 4, 60), rng.integers(0, 3, 60)
    want = theirs.adjusted_rand_score(labels, clusters)
    assert metrics.adjusted_rand_index(labels, clusters) == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("metric", [metrics.mean_squared_error, metrics.mean_absolute_error, metrics.psnr])
def test_nothing_is_broadcast(metric):
    y = np.zeros((4, 5, 5, 1))
    for target in (y[..., 0], y[0], 0.0, y[:3]):
        with pytest.raises(ShapeError, match="same shape"):
            metric(y, target)

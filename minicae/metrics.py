"""Numbers to watch beside the loss, and numbers to judge a trained model by.

A metric for `compile(metrics=...)` takes (y, target) and gives one number an image; its mean is reported. Below them are
scores of a detector (`roc_auc`, `average_precision`) and of a clustering (`adjusted_rand_index`), one number for all.
"""

import numpy as np

from minicae import conversion, shapes
from minicae.errors import DataError, SettingError, ShapeError, shown

NUMBERS = "fiub"  # kinds of dtypes


def mean_squared_error(y, target) -> np.ndarray:
    """Mean of (y - target)^2 over each image, (N,) float64."""
    return _rows(np.square(_difference(y, target)))


def mean_absolute_error(y, target) -> np.ndarray:
    """Mean of |y - target| over each image, (N,) float64."""
    return _rows(np.abs(_difference(y, target)))


def _difference(y, target):
    """y - target in float64, for arrays of one shape: nothing is broadcast."""
    y, target = conversion.array(y, "y", NUMBERS), conversion.array(target, "target", NUMBERS)
    if y.shape != target.shape:
        raise ShapeError("y and target must have the same shape", y=y, target=target)
    if not y.ndim or not y.size:
        raise ShapeError(f"y and target must be (N, ...), not empty, got {y.shape}")
    return np.subtract(y, target, dtype=np.float64)


def psnr(y, target) -> np.ndarray:
    """Peak signal-to-noise ratio of each image in decibels, 10 log10(1 / MSE), for data in 0..1, (N,) float64."""
    return -10 * np.log10(np.maximum(mean_squared_error(y, target), 1e-20))


def ssim(y, target, window=11, sigma=1.5) -> np.ndarray:
    """Structural similarity of each image to its target, for data in 0..1: 1 where they are equal, (N,) float64.

        (2 my mt + c1) (2 syt + c2) / ((my^2 + mt^2 + c1) (sy^2 + st^2 + c2)),    c1 = 0.01^2, c2 = 0.03^2

    with means m, variances s^2 and the covariance syt under a Gaussian window, averaged over the places where the window
    lies inside the image, and over channels. Source: Wang et al., "Image Quality Assessment" (2004).

    Parameters
    ----------
    y, target : images (N, H, W, C) or (N, H, W) of the same shape
    window : side of the window in pixels, odd
    sigma : standard deviation of the window in pixels

    Raises ShapeError where y and target are no images of one shape, or smaller than the window.
    """
    y, target = (conversion.array(*one, NUMBERS).astype(np.float64) for one in ((y, "y"), (target, "target")))
    window, sigma = shapes.integer(window, "window"), shapes.number(sigma, "sigma", 0, without=(0,))
    if window % 2 == 0:
        raise SettingError(f"window must be odd, got {window}")
    if y.shape != target.shape or y.ndim not in (3, 4) or min(y.shape[1:3]) < window or not y.size:
        raise ShapeError(
            f"ssim: y and target must be images of one shape, at least {window}x{window} pixels", y=y, target=target
        )
    weights = np.exp(-0.5 * np.square((np.arange(window) - window // 2) / sigma))
    weights /= weights.sum()
    my, mt = _blurred(y, weights), _blurred(target, weights)
    vy, vt = _blurred(y * y, weights) - my * my, _blurred(target * target, weights) - mt * mt
    both = _blurred(y * target, weights) - my * mt
    c1, c2 = 0.01**2, 0.03**2
    return _rows((2 * my * mt + c1) * (2 * both + c2) / ((my * my + mt * mt + c1) * (vy + vt + c2)))


def _blurred(x, weights):
    """x (N, H, W, ...) averaged under weights x weights, where the window fits: (N, H - K + 1, W - K + 1, ...)."""
    for axis in (1, 2):
        size = x.shape[axis] - len(weights) + 1
        parts = (x[(slice(None),) * axis + (slice(p, p + size),)] for p in range(len(weights)))
        x = sum(weight * part for weight, part in zip(weights, parts))
    return x


def _rows(errors):
    return errors.reshape(len(errors), -1).mean(1)


def roc_auc(positive, scores) -> float:
    """Area under the ROC curve: the probability that a positive scores higher than a negative; 0.5 for chance.

    Equal scores count half. positive (N,) booleans or 0 and 1, scores (N,). Raises ShapeError, and DataError where only
    one of the two kinds is there or a score is NaN. Source: Hanley and McNeil (1982).
    """
    positive, scores = _detected(positive, scores)
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # from 1; equal scores share their mean rank
    hits = np.count_nonzero(positive)
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * (len(positive) - hits)))


def average_precision(positive, scores) -> float:
    """Sum over thresholds, falling, of precision * (gain in recall): 1 where every positive outscores every negative.

    Chance gives the share of positives. Arguments and errors as of `roc_auc`.
    """
    positive, scores = _detected(positive, scores)
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(order) - 1)  # of each run of equal scores
    found = np.cumsum(positive[order])[last]
    gains = np.diff(found, prepend=0)
    return float((found / (last + 1) * gains).sum() / found[-1])


def _detected(positive, scores):
    positive, scores = conversion.array(positive, "labels"), conversion.array(scores, "scores", NUMBERS)
    scores = scores.astype(np.float64)
    if positive.ndim != 1 or positive.shape != scores.shape:
        raise ShapeError(f"labels and scores must be (N,), got {positive.shape} and {scores.shape}")
    if positive.dtype.kind not in "biuf" or not np.isin(positive, (0, 1)).all():
        raise DataError("labels must be booleans, or 0 and 1")
    if np.isnan(scores).any():
        raise DataError(f"scores hold {np.isnan(scores).sum()} NaN")
    positive = positive.astype(bool)
    if positive.all() or not positive.any():
        raise DataError(f"labels of one class, {len(positive)} of them: positives and negatives are needed")
    return positive, scores


def adjusted_rand_index(labels, clusters) -> float:
    """Agreement of two partitions of the same samples over all pairs: 1 for the same, 0 on average for random ones.

        (pairs together in both - expected) / (mean of pairs together in each - expected)

    labels and clusters (N,), numbers or text; their names do not matter. Raises ShapeError where they are not two vectors
    of one length, DataError where they are empty or of another kind. Source: Hubert and Arabie, "Comparing partitions" (1985).
    """
    labels, clusters = (
        conversion.array(*one, NUMBERS + "US", "numbers or text")
        for one in ((labels, "labels"), (clusters, "clusters"))
    )
    if labels.ndim != 1 or labels.shape != clusters.shape:
        raise ShapeError(f"labels and clusters must be (N,), got {labels.shape} and {clusters.shape}")
    if not len(labels):
        raise DataError("labels are empty")
    rows, columns = (np.unique(one, return_inverse=True)[1] for one in (labels, clusters))
    table = np.bincount(rows * (columns.max() + 1) + columns)
    both, one, other = (int((n * (n - 1) // 2).sum()) for n in (table, np.bincount(rows), np.bincount(columns)))
    expected = one * other / max(1, len(labels) * (len(labels) - 1) // 2)
    most = (one + other) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


NAMES = {"mse": mean_squared_error, "mae": mean_absolute_error, "psnr": psnr, "ssim": ssim}


def get(metric):
    """(name, function) of a metric given by name or as a function of (y, target) that gives one number an image."""
    if isinstance(metric, str) and metric in NAMES:
        return metric, NAMES[metric]
    if callable(metric):
        return getattr(metric, "__name__", type(metric).__name__), metric
    raise SettingError(
        f"there is no metric {shown(metric)}: give one of {', '.join(NAMES)} or a function of (y, target)"
    )


def get_all(metrics):
    """[(name, function), ...] of one metric or of a list; SettingError where two have one name, or a name of the loss's."""
    found = [get(metric) for metric in (metrics if isinstance(metrics, (list, tuple)) else [metrics])]
    names = ["loss", "reconstruction", "penalty", *(name for name, _ in found)]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise SettingError(f"two metrics are called {name!r}: give the functions names of their own")
    return found

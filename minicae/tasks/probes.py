"""What a linear map reads off a code: its class (`linear_probe`) or a number (`ridge`).

Codes are centred and divided by one number, the root of their mean variance, so that a penalty means the same for codes of
any scale. Biases are not penalised.
"""

import numpy as np

from minicae import conversion, shapes
from minicae.errors import DataError, ShapeError
from minicae.tasks import _arrays

STEPS = 1_000  # at most, of the classifier
TOLERANCE = 1e-5  # of its gradient's largest number
MEMORY = 10  # steps that its picture of the Hessian is made of
SEARCH = 12  # points looked at along a step, at most


class _Linear:
    """scores = (codes - mean) / scale @ weights + bias."""

    def __init__(self, codes):
        self.mean = codes.mean(0)
        self.scale = float(np.sqrt(np.square(codes - self.mean).mean())) or 1.0

    def scores(self, codes) -> np.ndarray:
        """(N, outputs) of codes (N, ...)."""
        codes = _arrays.rows(codes, "codes")
        if codes.shape[1] != len(self.mean):
            raise ShapeError(f"codes have {codes.shape[1]} numbers a sample, the probe was fitted to {len(self.mean)}")
        return (codes - self.mean) / self.scale @ self.weights + self.bias


class LinearProbe(_Linear):
    """What `linear_probe` gives: `classes` (K,), `weights` (d, K), `bias` (K,)."""

    def predict(self, codes) -> np.ndarray:
        """The most probable class of each code, (N,)."""
        return self.classes[self.scores(codes).argmax(1)]

    def probabilities(self, codes) -> np.ndarray:
        """Of each class, (N, K)."""
        return _softmax(self.scores(codes))

    def accuracy(self, codes, labels) -> float:
        """Share of codes whose class is predicted; DataError for labels that are all of classes not fitted to."""
        predicted = self.predict(codes)
        return float(np.mean(predicted == _arrays.labels(labels, len(predicted), known=self.classes)))


def linear_probe(codes, labels, penalty=1e-3) -> LinearProbe:
    """Multinomial logistic regression from codes (N, ...) to labels (N,): minimises, over all weights and biases,

        mean over samples of -log softmax(codes w + b)[label]  +  penalty / 2 * sum of w^2

    Each step is that of a quasi-Newton method which begins with a bound of the Hessian, (codes' codes) / 2N + penalty, and
    learns from the last steps how the Hessian differs from it. Scores are linear in the weights, so a search along the step
    needs no more products with the codes. Sources: Boehning, "Multinomial logistic regression algorithm" (1992); Liu and
    Nocedal, "On the limited memory BFGS method" (1989).

    Parameters
    ----------
    codes : (N, ...) codes or images, flattened
    labels : (N,) classes, at least two
    penalty : at least 0

    Raises ShapeError, DataError (one class, not finite, empty), SettingError.
    """
    codes = _arrays.rows(codes, "codes", 2)
    labels = _arrays.labels(labels, len(codes), least=2)
    penalty = shapes.number(penalty, "penalty", 0)
    probe = LinearProbe(codes)
    probe.classes, place = np.unique(labels, return_inverse=True)
    inputs = np.column_stack([(codes - probe.mean) / probe.scale, np.ones(len(codes))])
    target = np.eye(len(probe.classes))[place]
    charge = np.full((inputs.shape[1], 1), penalty)
    charge[-1] = 0
    bound = inputs.T @ inputs / (2 * len(codes)) + np.diag(np.maximum(charge[:, 0], 1e-9))
    inverse = np.linalg.inv(bound)
    w, scores, changes = np.zeros((inputs.shape[1], len(probe.classes))), np.zeros(target.shape), []
    before = None  # gradient and step of the last point
    for _ in range(STEPS):
        gradient = inputs.T @ (_softmax(scores) - target) / len(codes) + charge * w
        if np.abs(gradient).max() < TOLERANCE:
            break
        if before is not None:
            step, change = before[1], gradient - before[0]
            if np.vdot(step, change) > 0:
                changes = [*changes[1 - MEMORY :], (step, change, np.vdot(step, change))]
        direction = -_newton(gradient, changes, inverse)
        move = inputs @ direction
        t = _along(scores, move, target, np.vdot(charge * w, direction), np.vdot(charge * direction, direction))
        if not t:  # rounding is all that is left of this direction
            break
        before = gradient, t * direction
        w, scores = w + t * direction, scores + t * move
    probe.weights, probe.bias = w[:-1], w[-1]
    return probe


def _newton(gradient, changes, inverse):
    """The inverse Hessian times the gradient: `inverse`, corrected by (step, change of the gradient, their product)."""
    found, shares = gradient.copy(), []
    for step, change, product in reversed(changes):
        shares.append(np.vdot(step, found) / product)
        found -= shares[-1] * change
    found = inverse @ found
    for (step, change, product), share in zip(changes, reversed(shares)):
        found += (share - np.vdot(change, found) / product) * step
    return found


def _along(scores, move, target, slope, bend):
    """How far to go from `scores` along `move` (N, K): nearly to the least objective; 0 where the way leads up.

    slope, bend : of the penalty: its first derivative at the start and its second

    Newton's method in one dimension, kept between what is known to be too short and what is known to be too far.
    """
    t, low, high, start = 0.0, 0.0, np.inf, None
    for _ in range(SEARCH):
        powers = _softmax(scores + t * move)
        first = np.vdot(powers - target, move) / len(move) + slope + t * bend
        if start is None:
            start = first
        if start >= 0:
            return 0.0
        if abs(first) <= -0.1 * start:
            break
        low, high = (t, high) if first < 0 else (low, t)
        second = np.vdot(powers, np.square(move - (powers * move).sum(1, keepdims=True))) / len(move) + bend
        nearer = t - first / second if second > 0 else np.inf
        t = nearer if low < nearer < high else (low + high) / 2 if high < np.inf else 2 * t + 1
    return t


class Ridge(_Linear):
    """What `ridge` gives: `weights` (d, T), `bias` (T,)."""

    def predict(self, codes) -> np.ndarray:
        """Targets (N,) or (N, T), as those that were fitted, of codes (N, ...)."""
        scores = self.scores(codes)
        return scores[:, 0] if self.flat else scores

    def r2(self, codes, targets) -> float:
        """Share of the variance of the targets that is explained: 1 for all, 0 for what their mean explains."""
        predicted = self.predict(codes)
        targets = _targets(targets, len(predicted))
        if targets.shape != predicted.shape:
            raise ShapeError(f"targets must be {predicted.shape}, got {targets.shape}")
        spread = np.square(targets - targets.mean(0)).sum()
        if not spread:
            raise DataError("targets are all the same: there is nothing to explain")
        return float(1 - np.square(targets - predicted).sum() / spread)


def ridge(codes, targets, penalty=1e-3) -> Ridge:
    """Linear regression from codes (N, ...) to targets (N,) or (N, T), in closed form: minimises

        mean over samples of |codes w + b - target|^2  +  penalty * sum of w^2

    penalty at least 0. Raises ShapeError, DataError, SettingError. Source: Hoerl and Kennard (1970).
    """
    codes = _arrays.rows(codes, "codes", 2)
    targets = _targets(targets, len(codes))
    penalty = shapes.number(penalty, "penalty", 0)
    fitted = Ridge(codes)
    fitted.flat = targets.ndim == 1
    targets = targets.reshape(len(codes), -1)
    inputs = (codes - fitted.mean) / fitted.scale
    fitted.bias = targets.mean(0)
    # as least squares with rows for the penalty: no squared condition number, and the least weights where it is 0
    inputs = np.vstack([inputs, np.sqrt(penalty * len(codes)) * np.eye(inputs.shape[1])])
    wanted = np.vstack([targets - fitted.bias, np.zeros((inputs.shape[1], targets.shape[1]))])
    fitted.weights = np.linalg.lstsq(inputs, wanted, rcond=None)[0]
    return fitted


def _targets(targets, count):
    targets = conversion.array(targets, "targets")
    if targets.dtype.kind not in "biuf" or targets.ndim not in (1, 2) or len(targets) != count:
        raise ShapeError(f"targets must be numbers ({count},) or ({count}, T), got {targets.dtype} {targets.shape}")
    if not np.isfinite(targets).all():
        raise DataError("targets hold values that are not finite")
    return targets.astype(np.float64)


def _softmax(scores):
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)

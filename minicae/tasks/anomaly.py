"""Anomaly detection: a model of normal data reconstructs what is unlike them badly."""

import numpy as np

from minicae import conversion, metrics, shapes
from minicae.errors import SettingError, shown
from minicae.tasks import _arrays
from minicae.tasks.features import features
from minicae.tasks.pca import PCA
from minicae.tasks.report import Report

RULES = ("quantile", "sigma")


class AnomalyDetector:
    """Calls a sample an anomaly where its squared reconstruction error is above a limit.

        limit = quantile of the errors of normal data              threshold="quantile"
        limit = their mean + k * their standard deviation          threshold="sigma"

    Parameters
    ----------
    model : trained on normal data; it has reconstruction_error
    threshold : "quantile" or "sigma"
    quantile : of the normal data, the share to be called normal, between 0 and 1
    k : standard deviations, at least 0

    After `fit`, `limit` is the limit: a squared error, the mean over a sample.
    """

    def __init__(self, model, threshold="quantile", quantile=0.95, k=3):
        _arrays.needs(model, "reconstruction_error")
        if not isinstance(threshold, str) or threshold not in RULES:
            raise SettingError(f"threshold must be 'quantile' or 'sigma', got {shown(threshold)}")
        self.model, self.threshold = model, threshold
        self.quantile = shapes.number(quantile, "quantile", 0, 1, without=(0, 1))
        self.k = shapes.number(k, "k", 0)
        self.limit = None

    def __repr__(self):
        rule = f"quantile={self.quantile}" if self.threshold == "quantile" else f"k={self.k}"
        return f"AnomalyDetector({type(self.model).__name__}, {self.threshold!r}, {rule})"

    def fit(self, x) -> "AnomalyDetector":
        """Set the limit by normal samples (N, *input_shape), best ones that the model was not trained on. Returns self."""
        errors = self.score(_arrays.samples(x)).astype(np.float64)
        if self.threshold == "quantile":
            self.limit = float(np.quantile(errors, self.quantile))
        else:
            self.limit = float(errors.mean() + self.k * errors.std())
        return self

    def score(self, x) -> np.ndarray:
        """The mean squared reconstruction error of each sample, (N,): the larger, the stranger."""
        return self.model.reconstruction_error(x)

    def predict(self, x) -> np.ndarray:
        """True for each sample whose score is above the limit, (N,)."""
        if self.limit is None:
            raise SettingError("the detector has no limit yet: call fit(x) with normal samples first")
        return self.score(x) > self.limit

    def heat_map(self, x) -> np.ndarray:
        """The squared error of each pixel, (N, *input_shape): where a sample is strange. Its mean is the score."""
        return self.model.reconstruction_error(x, per="pixel")


def anomaly_report(model, x_train, x_test, anomalous) -> Report:
    """How well reconstruction errors tell anomalies, against principal components, as many as the code has numbers.

    Columns: roc_auc and average_precision, as `minicae.metrics` defines them. The components are those of x without the
    labels that a conditional model takes.

    Parameters
    ----------
    model : trained on x_train; it has encode and reconstruction_error
    x_train : (N, ...) normal samples
    x_test : (M, ...) normal and anomalous ones
    anomalous : (M,) booleans, True for anomalies
    """
    _arrays.needs(model, "encode", "reconstruction_error")
    x_train, x_test = _arrays.samples(x_train, "x_train"), _arrays.samples(x_test, "x_test")
    anomalous = conversion.array(anomalous, "anomalous", "fiub", "booleans")
    size, plain = features(model, x_train[:1]).shape[1], _arrays.unlabelled(model, x_train)
    pca = PCA(min(size, len(plain), shapes.count(plain.shape[1:]))).fit(plain)
    table = {}
    for name, one, x in (("model", model, x_test), (f"PCA, {pca.size}", pca, _arrays.unlabelled(model, x_test))):
        scores = AnomalyDetector(one).score(x)
        table[name] = {
            "roc_auc": metrics.roc_auc(anomalous, scores),
            "average_precision": metrics.average_precision(anomalous, scores),
        }
    return Report(f"anomalies, {np.count_nonzero(anomalous):,} among {len(x_test):,} samples", table)

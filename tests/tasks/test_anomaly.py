"""Anomaly detection: limits by hand, heat maps that add up, and the table."""

import numpy as np
import pytest

from minicae import metrics, tasks
from minicae.errors import DataError, SettingError, ShapeError


class Scores:
    """Each sample is a number, and that number its error."""

    def reconstruction_error(self, x, per="sample"):
        return np.asarray(x)[:, 0] if per == "sample" else np.asarray(x)


NORMAL = np.arange(101.0)[:, None]


def test_limits_by_hand():
    quantile = tasks.AnomalyDetector(Scores()).fit(NORMAL)
    assert quantile.limit == pytest.approx(95)
    assert quantile.predict([[95.0], [95.1]]).tolist() == [False, True]
    assert tasks.AnomalyDetector(Scores(), quantile=0.5).fit(NORMAL).limit == pytest.approx(50)
    sigma = tasks.AnomalyDetector(Scores(), threshold="sigma", k=2).fit(NORMAL)
    assert sigma.limit == pytest.approx(50 + 2 * np.sqrt((101**2 - 1) / 12))


def test_the_share_of_normal_data_that_is_called_so(trained, data):
    detector = tasks.AnomalyDetector(trained, quantile=0.9)
    assert detector.fit(data[0]) is detector
    assert np.mean(detector.predict(data[0])) == pytest.approx(0.1, abs=0.01)
    assert repr(detector) == "AnomalyDetector(Autoencoder, 'quantile', quantile=0.9)"
    assert repr(tasks.AnomalyDetector(trained, "sigma")).endswith("'sigma', k=3.0)")


def test_the_mean_of_the_heat_map_is_the_score(trained, data):
    detector, x = tasks.AnomalyDetector(trained), data[2].copy()
    x[0, 2, 3] = 5.0
    heat = detector.heat_map(x)
    assert heat.shape == x.shape and np.allclose(heat.mean((1, 2, 3)), detector.score(x), rtol=1e-5)
    assert np.unravel_index(heat[0].argmax(), heat[0].shape) == (2, 3, 0)


def test_what_is_unlike_the_training_data_is_found(trained, data):
    x = np.concatenate([data[2], 1 - data[2]])
    anomalous = np.arange(120) >= 60
    report = tasks.anomaly_report(trained, data[0], x, anomalous)
    assert list(report.rows) == ["model", "PCA, 2"]
    scores = trained.reconstruction_error(x)
    assert report["model"]["roc_auc"] == metrics.roc_auc(anomalous, scores) > 0.95
    assert report["model"]["average_precision"] == metrics.average_precision(anomalous, scores)
    assert tasks.AnomalyDetector(trained).fit(data[2]).predict(x[60:]).mean() > 0.9
    assert str(report).startswith("anomalies, 60 among 120 samples\n")


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda m, x: tasks.AnomalyDetector(m, "median"), SettingError, "'quantile' or 'sigma', got 'median'"),
        (lambda m, x: tasks.AnomalyDetector(m, quantile=1), SettingError, "quantile must be"),
        (lambda m, x: tasks.AnomalyDetector(m, k=-1), SettingError, "k must be"),
        (lambda m, x: tasks.AnomalyDetector("model"), SettingError, "must have reconstruction_error()"),
        (lambda m, x: tasks.AnomalyDetector(m).predict(x), SettingError, "call fit(x) with normal samples"),
        (lambda m, x: tasks.AnomalyDetector(m).fit(x[:0]), DataError, "too small"),
        (lambda m, x: tasks.AnomalyDetector(m).fit(x * np.nan), DataError, "not finite"),
        (lambda m, x: tasks.AnomalyDetector(m).score(x * np.inf), DataError, "not finite"),
        (lambda m, x: tasks.AnomalyDetector(m).score(x[0]), ShapeError, "a batch of one"),
        (lambda m, x: tasks.anomaly_report(m, x, x, np.zeros(60, bool)), DataError, "labels of one class"),
        (lambda m, x: tasks.anomaly_report(m, x, x, np.zeros(59, bool)), ShapeError, "must be (N,)"),
    ],
)
def test_refusals(trained, data, call, error, words):
    with pytest.raises(error) as caught:
        call(trained, data[2])
    assert words in str(caught.value).splitlines()[0]

"""Codes as features: the tables, and what is in them."""

import numpy as np
import pytest

from minicae import tasks
from minicae.errors import DataError, SettingError, ShapeError


def test_features_are_flat(mean_model, data):
    assert tasks.features(mean_model, data[2]).shape == (60, 1)

    class Maps:
        def encode(self, x):
            return np.zeros((len(x), 3, 2, 5))

    assert tasks.features(Maps(), data[2]).shape == (60, 30)


def test_reduction_report(trained, data):
    report = tasks.reduction_report(trained, *data, k=3)
    assert list(report.rows) == ["codes", "PCA, 2", "raw data"]
    codes, pca, raw = report.rows.values()
    assert (codes["size"], pca["size"], raw["size"]) == (2, 2, 144)
    assert codes["mse"] == pytest.approx(trained.reconstruction_error(data[2]).mean())
    assert codes["mse"] < pca["mse"] < data[2].var(0).mean()  # three classes, two places: not linear
    assert raw["mse"] is None and raw["trustworthiness"] == 1
    assert 0.5 < codes["trustworthiness"] < 1 and codes["knn_accuracy"] > 0.5
    lines = str(report).splitlines()
    assert lines[0] == "dimensionality reduction, 60 test samples, 3 neighbours" and len(lines) == 5
    assert lines[1].split() == ["size", "mse", "knn_accuracy", "trustworthiness"]
    assert lines[4].split() == ["raw", "data", "144", f"{raw['knn_accuracy']:.4g}", "1"]
    assert len(set(map(len, lines[1:]))) == 1  # columns are aligned


def test_feature_report(trained, data):
    brightness = [x.mean((1, 2, 3)) for x in (data[0], data[2])]
    report = tasks.feature_report(trained, *data, *brightness)
    assert list(report.rows) == ["codes", "PCA, 2", "raw data"]
    assert report["raw data"]["ridge_r2"] > 0.99 and report["raw data"]["probe_accuracy"] > 0.9
    for row in report.rows.values():
        assert set(row) == {"size", "probe_accuracy", "rand_index", "ridge_r2"} and row["rand_index"] <= 1
    assert "ridge_r2" not in str(tasks.feature_report(trained, *data))


def test_principal_components_take_the_place_of_a_model(data):
    report = tasks.reduction_report(tasks.PCA(4).fit(data[0]), *data)
    assert report["codes"] == report["PCA, 4"]


def test_components_are_no_more_than_there_can_be(trained, data):
    class Wide:
        def encode(self, x):
            return np.repeat(np.asarray(x).reshape(len(x), -1), 2, axis=1)

        def reconstruction_error(self, x):
            return np.zeros(len(x))

    report = tasks.reduction_report(Wide(), *data)
    assert list(report.rows)[:2] == ["codes", "PCA, 144"] and report["codes"]["size"] == 288


def test_refusals(trained, data):
    x_train, y_train, x_test, y_test = data
    with pytest.raises(SettingError, match="must have encode"):
        tasks.features(object(), x_test)
    with pytest.raises(SettingError, match="k must be below half the 60 samples, got 30"):
        tasks.reduction_report(trained, *data, k=30)
    with pytest.raises(ShapeError, match="y_train must be"):
        tasks.reduction_report(trained, x_train, y_train[1:], x_test, y_test)
    with pytest.raises(DataError, match="y_train are all 1"):
        tasks.reduction_report(trained, x_train, np.ones(240, int), x_test, y_test)
    with pytest.raises(DataError, match="not finite"):
        tasks.feature_report(trained, x_train * np.nan, y_train, x_test, y_test)
    with pytest.raises(ShapeError, match="model wants"):
        tasks.reduction_report(trained, x_train[:, 1:], y_train, x_test, y_test)

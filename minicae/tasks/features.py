"""Codes as features: fewer numbers than the data, and what is still to be read off them.

`reduction_report` asks what was kept (reconstruction error, neighbours), `feature_report` what can be done with it (a linear
classifier, groups, a linear regression). Beside the codes stand principal components, as many as the code has numbers, and
the raw data. The labels that a conditional model takes with its input are part of none of them.
"""

import math

import numpy as np

from minicae.metrics import adjusted_rand_index
from minicae.tasks import _arrays
from minicae.tasks.clusters import kmeans
from minicae.tasks.neighbours import knn_accuracy, trustworthiness
from minicae.tasks.pca import PCA
from minicae.tasks.probes import linear_probe, ridge
from minicae.tasks.report import Report


def features(model, x) -> np.ndarray:
    """Codes of x (N, ...) as vectors (N, d), whatever the shape of the model's code.

    A conditional model has the label of each sample behind its code, one-hot: it is left out here, where it would answer for
    the code.
    """
    _arrays.needs(model, "encode")
    codes = model.encode(x)
    strip = getattr(model, "code_without_labels", None)
    codes = codes if strip is None else strip(codes)
    return codes.reshape(len(codes), math.prod(codes.shape[1:]))


def reduction_report(model, x_train, y_train, x_test, y_test, k=5) -> Report:
    """How much of the data the codes keep, against principal components and the raw data.

    Columns: size (numbers a sample), mse (squared error of the reconstructions of x_test), knn_accuracy (of x_test, by its
    k nearest neighbours in x_train), trustworthiness (of the codes of x_test).

    Parameters
    ----------
    model : with encode and reconstruction_error
    x_train, y_train : (N, ...) samples and (N,) classes: components and neighbours come from them
    x_test, y_test : (M, ...), (M,)
    k : neighbours, at most N and below M / 2
    """
    _arrays.needs(model, "encode", "reconstruction_error")
    x_test, table = _arrays.samples(x_test, "x_test"), {}
    plain = _arrays.unlabelled(model, x_test)
    for name, one, (train, test) in _contestants(model, x_train, x_test):
        table[name] = {
            "size": train.shape[1],
            "mse": None if one is None else float(one.reconstruction_error(x_test if one is model else plain).mean()),
            "knn_accuracy": knn_accuracy(train, y_train, test, y_test, k),
            "trustworthiness": trustworthiness(plain, test, k),
        }
    return Report(f"dimensionality reduction, {len(x_test):,} test samples, {k} neighbours", table)


def feature_report(
    model, x_train, y_train, x_test, y_test, targets_train=None, targets_test=None, penalty=1e-3, seed=0
) -> Report:
    """What is to be read off the codes, against principal components and the raw data.

    Columns: size; probe_accuracy, of `linear_probe`; rand_index, the adjusted Rand index of `kmeans` on the test samples,
    with as many clusters as classes; and, where targets are given, ridge_r2, of `ridge`.

    Parameters
    ----------
    model : with encode
    x_train, y_train : (N, ...) samples and (N,) classes to fit to
    x_test, y_test : (M, ...), (M,) to score on
    targets_train, targets_test : (N,) or (N, T), and (M,) or (M, T), numbers to regress on
    penalty : of probe and ridge
    seed : of the clusters
    """
    x_test, table = _arrays.samples(x_test, "x_test"), {}
    y_test = _arrays.labels(y_test, len(x_test), "y_test")
    for name, _, (train, test) in _contestants(model, x_train, x_test):
        probe = linear_probe(train, y_train, penalty)
        clusters = kmeans(test, len(probe.classes), seed)[0]
        table[name] = {
            "size": train.shape[1],
            "probe_accuracy": probe.accuracy(test, y_test),
            "rand_index": adjusted_rand_index(y_test, clusters),
        }
        if targets_train is not None:
            table[name]["ridge_r2"] = ridge(train, targets_train, penalty).r2(test, targets_test)
    return Report(f"features, {len(x_train):,} samples to fit to, {len(x_test):,} to score on", table)


def _contestants(model, x_train, x_test):
    """(name, model or None, (training, test) features): codes, components, raw data."""
    codes = [features(model, x) for x in (x_train, x_test)]
    plain = [_arrays.unlabelled(model, _arrays.samples(x)) for x in (x_train, x_test)]
    raw = [_arrays.rows(x) for x in plain]
    pca = PCA(min(codes[0].shape[1], *raw[0].shape)).fit(plain[0])
    yield "codes", model, codes
    yield f"PCA, {pca.size}", pca, [pca.encode(x) for x in plain]
    yield "raw data", None, raw

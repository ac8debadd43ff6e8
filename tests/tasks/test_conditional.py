"""Reports on a conditional model: the labels that it takes with its input are no pixels, and no part of its code."""

import numpy as np
import pytest

import minicae as mc
from minicae import tasks


@pytest.fixture(scope="module")
def told():
    """(model, x with labels, x, labels): labels that x says nothing of."""
    rng = np.random.default_rng(0)
    x, labels = rng.random((60, 12, 12, 1)).astype(np.float32), np.arange(60) % 3
    model = mc.zoo.conditional_variational("dense", (12, 12, 1), 3, (8,), 2, backend="reference")
    return model, mc.conditioned(x, labels), x, labels


def test_codes_are_features_without_their_labels(told):
    model, given, _, labels = told
    codes = model.encode(given)
    assert codes.shape == (60, 5) and np.array_equal(codes[:, 2:], np.eye(3)[labels])
    assert np.array_equal(tasks.features(model, given), codes[:, :2])
    assert np.array_equal(model.code_without_labels(codes), codes[:, :2])
    plain = mc.zoo.stacked((4, 2))
    assert plain.code_without_labels(codes) is codes


def test_baselines_see_no_labels(told):
    model, given, x, labels = told
    pca = tasks.PCA(2).fit(x[:30])
    reduced = tasks.reduction_report(model, given[:30], labels[:30], given[30:], labels[30:], k=3)
    plain = tasks.reduction_report(pca, x[:30], labels[:30], x[30:], labels[30:], k=3)
    for name in ("PCA, 2", "raw data"):
        assert reduced[name] == plain[name]
    assert reduced["codes"]["size"] == 2
    assert reduced["codes"]["mse"] == pytest.approx(model.reconstruction_error(given[30:]).mean())
    found = tasks.feature_report(model, given[:30], labels[:30], given[30:], labels[30:])
    plain = tasks.feature_report(pca, x[:30], labels[:30], x[30:], labels[30:])
    for name in ("PCA, 2", "raw data"):
        assert found[name] == plain[name]
    assert found["codes"]["probe_accuracy"] < 0.8  # 1 where the code holds the label
    strange = np.arange(30) % 2 == 0
    found = tasks.anomaly_report(model, given[:30], given[30:], strange)
    assert found["PCA, 2"] == tasks.anomaly_report(pca, x[:30], x[30:], strange)["PCA, 2"]


def test_generated_are_the_labels_of_the_test_samples(told):
    model, given, x, labels = told
    found = tasks.generation_report(model, given[:30], given[30:], seed=4)
    for name in ("Gaussian, PCA, 2", "real samples"):
        assert found[name] == tasks.generation_report(tasks.PCA(2).fit(x[:30]), x[:30], x[30:], seed=4)[name]
    made = model.sample(30, seed=4, label=labels[30:]).reshape(30, -1).astype(float)
    squares = np.square(made[:, None] - x[30:].reshape(30, -1)[None]).mean(2)
    assert found["model"]["fidelity"] == pytest.approx(np.sqrt(squares.min(1).mean()), rel=1e-4)


def test_denoising_compares_images_alone(told):
    model, given, x, labels = told
    noisy = np.clip(x + 0.1, 0, 1)
    found = tasks.denoising_report(model, given, mc.conditioned(noisy, labels))
    assert found["noisy"]["psnr"] == pytest.approx(mc.metrics.psnr(noisy, x).mean())
    assert found["model"]["psnr"] == pytest.approx(
        mc.metrics.psnr(model.reconstruct(mc.conditioned(noisy, labels)), x).mean()
    )


@pytest.mark.parametrize("other", [["0", "1", "2"] * 4, [b"0"] * 12, [7] * 12])
def test_labels_of_other_classes_are_refused_and_not_counted_as_mistakes(other):
    codes, labels = np.random.default_rng(0).random((12, 3)), np.arange(12) % 3
    with pytest.raises(mc.errors.DataError, match="have no class of those fitted to: .* such as [07]"):
        tasks.knn_accuracy(codes, labels, codes, other)
    with pytest.raises(mc.errors.DataError, match="have no class of those fitted to"):
        tasks.linear_probe(codes, labels).accuracy(codes, other)
    some = np.where(np.arange(12) < 9, labels, 7)
    assert tasks.knn_accuracy(codes, labels, codes, some, k=1) == 0.75
    assert tasks.knn_accuracy(codes, labels % 2 == 1, codes, labels % 2, k=1) == 1


def test_shapes_of_masks_and_what_is_too_small():
    for mask in (lambda: tasks.square_mask(5, 3), lambda: tasks.random_mask(5, 0.3), lambda: tasks.half_mask(5)):
        with pytest.raises(mc.errors.ShapeError, match=r"the shape of .* is wanted, got \(5,\)"):
            mask()
    assert tasks.square_mask(np.array([2, 6, 6]), 3).shape == (2, 6, 6, 1)

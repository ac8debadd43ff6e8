"""PCA: numbers by hand, scikit-learn, and an autoencoder's verbs."""

import numpy as np
import pytest

from minicae.errors import DataError, SettingError, ShapeError
from minicae.tasks import PCA


def test_by_hand():
    x = np.array([[0.0, 0], [2, 2], [4, 4], [2, 2]])  # on a diagonal
    pca = PCA(1).fit(x)
    assert np.allclose(pca.mean, [2, 2]) and np.allclose(pca.components, [[0.5**0.5, 0.5**0.5]])
    assert np.allclose(pca.encode(x)[:, 0], [-(8**0.5), 0, 8**0.5, 0])
    assert np.allclose(pca.variances, 4) and np.allclose(pca.reconstruct(x), x)
    assert np.allclose(pca.reconstruction_error([[1.0, 3]]), 1)
    assert np.allclose(pca.reconstruction_error([[1.0, 3]], per="pixel"), [[1, 1]])
    assert repr(pca) == "PCA(1)"


def test_images_keep_their_shape(data):
    pca = PCA(3).fit(data[0])
    x = data[2]
    assert pca.encode(x).shape == (60, 3) and pca.reconstruct(x).shape == x.shape
    assert pca.reconstruction_error(x, per="pixel").shape == x.shape
    assert np.allclose(pca.reconstruction_error(x), np.square(pca.reconstruct(x) - x).mean((1, 2, 3)))
    assert pca.sample(5, seed=1).shape == (5, 12, 12, 1)
    assert np.array_equal(pca.sample(5, seed=1), pca.sample(5, seed=1))


def test_samples_have_the_variances(data):
    pca = PCA(2).fit(data[0])
    codes = pca.encode(pca.sample(20_000))
    assert np.allclose(codes.var(0), pca.variances, rtol=0.05) and np.allclose(codes.mean(0), 0, atol=0.05)


def test_agrees_with_scikit_learn(data):
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = data[0].reshape(240, -1).astype(np.float64)
    ours, theirs = PCA(5).fit(x), decomposition.PCA(5, svd_solver="full").fit(x)
    assert np.allclose(np.abs(np.sum(ours.components * theirs.components_, axis=1)), 1)
    assert np.allclose(ours.variances * 240 / 239, theirs.explained_variance_)


def test_refusals(data):
    x = data[0]
    with pytest.raises(SettingError, match="call fit"):
        PCA(2).encode(x)
    with pytest.raises(SettingError, match="3 samples of 144 numbers have no 4 components"):
        PCA(4).fit(x[:3])
    with pytest.raises(SettingError, match="size must be at least 1"):
        PCA(0)
    with pytest.raises(DataError, match="too small"):
        PCA(2).fit(x[:0])
    pca = PCA(2).fit(x)
    with pytest.raises(ShapeError, match=r"x must be \(N, 12, 12, 1\)"):
        pca.encode(x[..., 0])
    with pytest.raises(ShapeError, match=r"z must be \(N, 2\)"):
        pca.decode(np.zeros((1, 3)))
    with pytest.raises(SettingError, match="'sample' or 'pixel'"):
        pca.reconstruction_error(x, per="image")

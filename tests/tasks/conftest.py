"""Small models: one trained a little, and one whose every answer is known."""

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L


class Mean:
    """An "autoencoder" that keeps the mean of each sample, and decodes it as a flat one."""

    input_shape = (12, 12, 1)
    size = 1

    def encode(self, x):
        return np.asarray(x, np.float64).reshape(len(x), -1).mean(1, keepdims=True)

    def decode(self, z):
        return np.ones((len(z), *self.input_shape)) * z[:, :, None, None]

    def reconstruct(self, x):
        return self.decode(self.encode(x))

    def reconstruction_error(self, x, per="sample"):
        error = np.square(self.reconstruct(x) - x)
        return error if per == "pixel" else error.mean((1, 2, 3))


@pytest.fixture
def mean_model():
    return Mean()


def blobs(n, seed=0):
    """(x (n, 12, 12, 1), labels): a bright disk of one of three sizes at a random place."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    centres = rng.uniform(4, 7, (n, 2))
    i, j = np.mgrid[:12, :12]
    squares = (i - centres[:, 0, None, None]) ** 2 + (j - centres[:, 1, None, None]) ** 2
    return np.exp(-squares / (1.0 + 3 * labels[:, None, None]))[..., None].astype(np.float32), labels


@pytest.fixture(scope="session")
def data():
    """(x_train, y_train, x_test, y_test)"""
    return *blobs(240), *blobs(60, seed=1)


@pytest.fixture(scope="session")
def trained(data):
    """A dense autoencoder with codes of two numbers that has learned something of the disks."""
    encoder = [L.Flatten(), L.GaussianNoise(0.1), L.Dense(32, "relu"), L.Dense(2)]
    decoder = [L.Dense(32, "relu"), L.Dense(144), L.Reshape((12, 12, 1))]
    model = mc.Autoencoder(encoder, decoder, (12, 12, 1), backend="reference")
    model.compile("mse", mc.optimizers.Adam(0.005))
    model.fit(data[0], epochs=30, batch_size=40, verbose=0)
    return model

"""Layers that draw numbers, judged by their distributions: a gradient check agrees with a consistent mistake.

Every bound is five standard deviations or more of what is measured, so a right layer fails about once in a million seeds,
and the seeds are fixed.
"""

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L

N = 200_000


def drawn(layer, x, backend, seed=0):
    model = mc.Sequential([layer], x.shape[1:], seed=seed, dtype="float64", backend=backend.__name__.split(".")[-1])
    return model.forward(x, training=True).copy()


def share(mask, want):
    """Whether `want` of the mask is true, up to five standard deviations."""
    return abs(np.mean(mask) - want) < 5 * np.sqrt(max(want * (1 - want), 1e-12) / mask.size)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(backend, rate):
    y = drawn(L.Dropout(rate), np.ones((N, 1)), backend)
    assert share(y == 0, rate)
    assert np.allclose(y[y != 0], 1 / (1 - rate), rtol=1e-12)
    assert abs(y.mean() - 1) < 5 * np.sqrt(rate / (1 - rate) / N) + 1e-12


@pytest.mark.parametrize("stddev", [0.0, 0.3, 2.0])
def test_gaussian_noise(backend, stddev):
    noise = drawn(L.GaussianNoise(stddev), np.full((N, 1), 7.0), backend) - 7
    assert abs(noise.mean()) <= 5 * stddev / np.sqrt(N)
    assert abs(noise.std() - stddev) <= 5 * stddev / np.sqrt(2 * N)
    if stddev:
        assert share(np.abs(noise) > 2 * stddev, 0.0455003)  # of a normal distribution


@pytest.mark.parametrize("corruption", [0.0, 0.3, 1.0])
def test_masking_noise_does_not_rescale(backend, corruption):
    y = drawn(L.MaskingNoise(corruption), np.full((N, 1), 3.0), backend)
    assert share(y == 0, corruption)
    assert (y[y != 0] == 3).all()


@pytest.mark.parametrize("corruption", [0.0, 0.3, 1.0])
def test_salt_and_pepper_in_equal_shares(backend, corruption):
    y = drawn(L.SaltAndPepperNoise(corruption, -5.0, 6.0), np.full((N, 1), 3.0), backend)
    assert share(y == -5, corruption / 2) and share(y == 6, corruption / 2)
    assert ((y == -5) | (y == 6) | (y == 3)).all()


def test_occlusion_covers_one_rectangle_anywhere(backend):
    n, height, width = 6_000, 2, 3
    y = drawn(L.OcclusionNoise((height, width), 9.0), np.zeros((n, 5, 7, 2)), backend)
    hidden = y == 9
    assert np.array_equal(hidden[..., 0], hidden[..., 1]) and (y[~hidden] == 0).all()
    assert (hidden[..., 0].sum((1, 2)) == height * width).all()
    rows, columns = hidden[..., 0].any(2), hidden[..., 0].any(1)
    assert (rows.sum(1) == height).all() and (columns.sum(1) == width).all()
    places = np.bincount(rows.argmax(1) * 5 + columns.argmax(1), minlength=20)
    assert len(places) == 4 * 5  # rows 0 to 3, columns 0 to 4: every place inside the image
    chi_squared = np.square(places - n / 20).sum() / (n / 20)
    assert chi_squared < 60  # 19 degrees of freedom: one in 4 million is above


def test_sampling_has_the_deviation_of_its_variance(backend):
    log_var, mu = np.log(4.0), -1.5
    x = np.tile([mu, log_var], (N, 1))
    z = drawn(L.GaussianSampling(), x, backend)
    assert abs(z.mean() - mu) < 5 * 2.0 / np.sqrt(N)
    assert abs(z.std() - 2.0) < 5 * 2.0 / np.sqrt(2 * N)


@pytest.mark.parametrize(
    "layer, x",
    [
        (L.Dropout, np.ones((50, 4))),
        (L.GaussianNoise, np.ones((50, 4))),
        (L.MaskingNoise, np.ones((50, 4))),
        (L.SaltAndPepperNoise, np.full((50, 4), 0.5)),
        (L.OcclusionNoise, np.ones((50, 9, 9, 1))),
        (L.GaussianSampling, np.zeros((50, 4))),
    ],
)
def test_streams(layer, x, backend):
    """Same seed, same numbers; another seed, another place in the model or another step, others."""
    new = lambda: layer(0.5) if layer is L.Dropout else layer()  # noqa: E731
    first = drawn(new(), x, backend)
    assert np.array_equal(first, drawn(new(), x, backend))
    assert not np.array_equal(first, drawn(new(), x, backend, seed=1))
    model = mc.Sequential([new()], x.shape[1:], dtype="float64", backend="reference")
    steps = [model.forward(x, training=True).copy() for _ in range(2)]
    assert not np.array_equal(*steps)


def test_two_layers_of_one_model_draw_apart():
    model = mc.Sequential([L.GaussianNoise(1.0), L.GaussianNoise(1.0)], 1, dtype="float64", backend="reference")
    x = np.zeros((N, 1))
    both = model.forward(x, training=True)
    first = model.layers[0].saved.buffers["draw"]
    assert abs(np.mean(first * (both - first))) < 5 / np.sqrt(N)
    assert abs(both.std() - np.sqrt(2)) < 5 / np.sqrt(N)


@pytest.mark.parametrize("layer", ["Dropout(0.3)", "GaussianNoise()", "SaltAndPepperNoise()", "OcclusionNoise(3)"])
def test_backends_draw_the_same_numbers(layer):
    x = np.random.default_rng(0).random((20, 6, 6, 2))
    reference, cpu = (
        mc.Sequential([eval(layer, vars(L))], (6, 6, 2), backend=name).forward(x, training=True)
        for name in ("reference", "cpu")
    )
    assert np.allclose(cpu, reference, atol=1e-6)

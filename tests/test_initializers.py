"""How weights begin: their spread, their shape, and that it depends on nothing but the seed and the place."""

import numpy as np
import pytest

import minicae as mc
from minicae import initializers
from minicae import layers as L
from minicae.errors import SettingError

FANS = (30, 50)
VARIANCES = {"glorot": 2 / 80, "he": 2 / 30, "lecun": 1 / 30}


def drawn(name, size=200_000, dtype=np.float64):
    values = np.full(size, np.nan, dtype)
    initializers.initialize(name, values, np.random.default_rng(0), FANS)
    return values


@pytest.mark.parametrize("scheme", VARIANCES)
def test_variances(scheme):
    variance = VARIANCES[scheme]
    limit = np.sqrt(3 * variance)
    uniform, normal = drawn(f"{scheme}_uniform"), drawn(f"{scheme}_normal")
    assert 0.999 * limit < np.abs(uniform).max() <= limit
    for values, kurtosis in ((uniform, 1.8), (normal, 3.0)):
        assert abs(values.mean()) < 5 * np.sqrt(variance / values.size)
        assert abs(values.var() / variance - 1) < 0.02
        assert abs((values**4).mean() / variance**2 - kurtosis) < 0.1


def test_constants():
    assert (drawn("zeros", 9) == 0).all() and (drawn("ones", 9) == 1).all()
    assert drawn("he_normal", 9, np.float32).dtype == np.float32


@pytest.mark.parametrize(
    "layer, shape, fan_in, fan_out",
    [
        (L.Dense(400, kernel_initializer="glorot_normal"), (300,), 300, 400),
        (L.Conv2D(90, (3, 5), kernel_initializer="glorot_normal"), (6, 6, 20), 15 * 20, 15 * 90),
        (L.Conv2DTranspose(90, (3, 5), kernel_initializer="glorot_normal"), (6, 6, 20), 15 * 20, 15 * 90),
    ],
)
def test_fans_of_layers(layer, shape, fan_in, fan_out):
    w = mc.Sequential([layer], shape).get_weights()[0]
    assert abs(w.var() * (fan_in + fan_out) / 2 - 1) < 0.05


def test_signals_keep_their_size_through_many_relu_layers():
    model = mc.Sequential([L.Dense(256, "relu") for _ in range(20)], 256)
    x = np.random.default_rng(0).standard_normal((100, 256))
    assert 0.2 < np.square(model.predict(x)).mean() / np.square(x).mean() < 5


@pytest.mark.parametrize(
    "activation, name",
    [
        ("relu", "he_uniform"),
        ("leaky_relu", "he_uniform"),
        ("elu", "he_uniform"),
        ("softplus", "he_uniform"),
        ("linear", "glorot_uniform"),
        ("sigmoid", "glorot_uniform"),
        ("tanh", "glorot_uniform"),
        (None, "glorot_uniform"),
    ],
)
def test_the_default_suits_the_activation(activation, name):
    default = mc.Sequential([L.Dense(5, activation)], 4).get_weights()[0]
    named = mc.Sequential([L.Dense(5, activation, kernel_initializer=name)], 4).get_weights()[0]
    assert np.array_equal(default, named) and initializers.for_activation(activation) == name


def test_a_parameter_depends_on_the_seed_and_on_its_place():
    def first(seed, *layers):
        return mc.Sequential(list(layers), 4, seed=seed).get_weights()[0]

    one = first(0, L.Dense(5))
    assert np.array_equal(one, first(0, L.Dense(5), L.Dense(7)))
    assert not np.array_equal(one, first(1, L.Dense(5)))
    twice = mc.Sequential([L.Dense(4), L.Dense(4)], 4).get_weights()
    assert not np.array_equal(twice[0], twice[2])


def test_names():
    assert len(initializers.NAMES) == 8
    for bad in ("he", "He_normal", None, 3, ["zeros"], ""):
        with pytest.raises(SettingError, match="choose one of zeros, ones, glorot_uniform"):
            initializers.check(bad, "kernel_initializer")
    for option in ("kernel_initializer", "bias_initializer"):
        with pytest.raises(SettingError, match=f"{option}='orthogonal' is no initializer"):
            L.Dense(3, **{option: "orthogonal"})

"""Pairs of layers that a chain computes in one go give what the two give one after the other."""

import copy

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import ShapeError
from minicae.layers.fusion import UpsampledConvolution


def one_by_one(model, x, dy):
    """y, dx and the gradients, each layer run on its own."""
    for layer in model.layers:
        x = layer.forward(x, True)
    y, dx = x.copy(), dy.copy()
    for layer in reversed(model.layers):
        dx = layer.backward(dx)
    return y, dx.copy(), *model.get_gradients()


@pytest.mark.parametrize("size", [2, (1, 3), (3, 2)])
@pytest.mark.parametrize(
    "kernel, padding", [(3, "same"), (1, "same"), ((2, 5), "valid"), (3, (0, 2, 1, 0)), (4, "same")]
)
@pytest.mark.parametrize("filters, activation", [(1, "sigmoid"), (3, "relu")])
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_upsampling_and_convolution(size, kernel, padding, filters, activation, backend):
    layers = [
        L.Conv2D(5, 1, activation="relu"),
        L.UpSampling2D(size),
        L.Conv2D(filters, kernel, padding=padding, activation=activation, bias_initializer="glorot_normal"),
    ]
    model = mc.Sequential(layers, (6, 4, 2), dtype="float64", backend=backend)
    assert isinstance(model.steps()[-1], UpsampledConvolution)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 6, 4, 2))
    y = model.forward(x, training=True).copy()
    dy = rng.standard_normal(y.shape)
    dx = model.backward(dy).copy()
    for got, want in zip((y, dx, *model.get_gradients()), one_by_one(model, x, dy), strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)
    assert mc.gradcheck(model, x).ok


@pytest.mark.parametrize(
    "up, conv",
    [
        (L.UpSampling2D(2, interpolation="bilinear"), L.Conv2D(1, 3)),
        (L.UpSampling2D(2), L.Conv2D(8, 3)),
        (L.UpSampling2D(2), L.Conv2D(1, 3, strides=2)),
        (L.UpSampling2D(2), L.Conv2D(1, 3, dilation=2)),
        (L.UpSampling2D(2), L.Conv2D(1, 3, padding=(3, 3, 3, 3))),
        (L.UpSampling2D(2), L.Conv2D(1, 3, algorithm="im2col")),
        (L.UpSampling2D(2), L.Conv2DTranspose(1, 3)),
    ],
)
def test_what_does_not_fit_is_left_alone(up, conv):
    model = mc.Sequential([up, conv], (4, 4, 3))
    assert model.steps() == [up, conv]


def test_the_pair_is_found_where_encoder_and_decoder_meet_and_shown_in_the_summary():
    model = mc.Autoencoder([L.MaxPooling2D(2), L.Conv2D(4, 3), L.UpSampling2D(2)], [L.Conv2D(1, 3)], (8, 8, 1))
    assert isinstance(model.steps()[-1], UpsampledConvolution)
    assert "upsampled" in model.summary(print_fn=None)
    x = np.random.default_rng(0).random((5, 8, 8, 1), np.float32)
    np.testing.assert_allclose(model.reconstruct(x), model.decode(model.encode(x)), rtol=0, atol=1e-6)


def test_new_weights_count_at_once_and_copies_stand_alone():
    model = mc.Sequential([L.UpSampling2D(2), L.Conv2D(1, 3)], (4, 4, 2))
    x = np.random.default_rng(0).random((2, 4, 4, 2), np.float32)
    other = copy.deepcopy(model)
    before = model.predict(x)
    other.set_weights([2 * w for w in other.get_weights()])
    np.testing.assert_allclose(other.predict(x), 2 * before, rtol=1e-6)
    assert np.array_equal(model.predict(x), before)


def test_the_convolution_of_a_pair_does_not_go_back_on_its_own():
    model = mc.Sequential([L.UpSampling2D(2), L.Conv2D(1, 3)], (4, 4, 2))
    x = np.random.default_rng(0).random((2, 4, 4, 2), np.float32)
    one_by_one(model, x, np.ones((2, 8, 8, 1), np.float32))
    dy = model.forward(x + 1)
    with pytest.raises(ShapeError, match="forward pass"):
        model.layers[1].backward(dy)

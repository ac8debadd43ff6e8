"""Autoencoder: its verbs, its variants, its warnings and refusals, and what theory says about the smallest one."""

import warnings

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import SettingError, ShapeError
from minicae.optimizers import Adam


def convolutional(loss="bce", last="sigmoid", **options):
    encoder = [L.Conv2D(2, 3, activation="relu"), L.MaxPooling2D(2), L.Flatten(), L.Dense(6)]
    decoder = [L.Dense(24, "relu"), L.Reshape((3, 4, 2)), L.UpSampling2D(2), L.Conv2D(1, 3, activation=last)]
    ae = mc.Autoencoder(encoder, decoder, (6, 8, 1), **options)
    ae.compile(loss)
    return ae


def images(n=9):
    return np.random.default_rng(0).random((n, 6, 8, 1), np.float32)


def test_verbs_and_shapes(backend):
    ae, x = convolutional(backend=backend.__name__.split(".")[-1]), images()
    z = ae.encode(x)
    assert z.shape == (9, 6)
    assert np.array_equal(ae.decode(z), ae.reconstruct(x)) and ae.reconstruct(x).shape == x.shape
    assert ae.sample(4).shape == (4, 6, 8, 1)
    pixels = ae.reconstruction_error(x, per="pixel")
    assert pixels.shape == x.shape
    assert np.allclose(pixels, np.square(ae.reconstruct(x) - x))
    assert np.allclose(ae.reconstruction_error(x), pixels.reshape(9, -1).mean(1), rtol=1e-6)
    assert [verb(x[:0]).shape for verb in (ae.encode, ae.reconstruct)] == [(0, 6), (0, 6, 8, 1)]
    with pytest.raises(SettingError, match="'sample' or 'pixel'"):
        ae.reconstruction_error(x, per="image")


def test_verbs_give_fresh_arrays_whose_bits_do_not_depend_on_batch_size():
    ae, x = convolutional(), images()
    for verb in (ae.encode, ae.reconstruct, lambda x, b=256: ae.decode(ae.encode(x), b)):
        first, kept = verb(x), verb(x).copy()
        verb(x[::-1].copy())
        assert np.array_equal(first, kept) and not np.shares_memory(first, verb(x))
        assert np.array_equal(verb(x, 2), kept)


def test_logits_become_data_in_reconstruct_decode_and_sample():
    ae, x = convolutional("bce_logits", "linear"), images()
    logits = ae.predict(x)
    assert logits.min() < 0
    want = 1 / (1 + np.exp(-logits.astype(float)))
    for got in (ae.reconstruct(x), ae.decode(ae.encode(x))):
        assert np.allclose(got, want, atol=1e-6)
    assert ae.sample(20).min() > 0 and ae.sample(20).max() < 1


def test_sample_is_decided_by_its_seed():
    ae = convolutional()
    assert np.array_equal(ae.sample(3, seed=1), ae.sample(3, seed=1))
    assert not np.array_equal(ae.sample(3, seed=1), ae.sample(3, seed=2))
    assert np.array_equal(ae.sample(3, seed=1), ae.decode(np.random.default_rng(1).standard_normal((3, 6), np.float32)))
    for n in (0, -1, 2.5, "3"):
        with pytest.raises(SettingError, match="n must be"):
            ae.sample(n)


def test_linear_3_2_3_finds_the_principal_plane():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((3, 3)) * [2.0, 1.0, 0.4]
    x = (rng.standard_normal((600, 3)) @ mixing.T).astype(np.float32)
    x -= x.mean(0)
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    residual = values[0] / 3
    ae = mc.zoo.basic()
    ae.compile("mse", Adam(0.02))
    ae.fit(x, epochs=60, batch_size=50, verbose=0)
    ae.optimizer.learning_rate = 0.001
    ae.fit(x, epochs=30, batch_size=200, verbose=0)
    assert residual <= ae.evaluate(x) <= 1.01 * residual
    plane = np.linalg.svd(ae.decoder.leaves()[0].w)[2][:2].T
    cosines = np.linalg.svd(plane.T @ vectors[:, 1:])[1]
    assert cosines.min() > 0.999


@pytest.mark.parametrize("tied", [False, True])
def test_linear_5_4_3_2_3_4_5_finds_the_principal_plane_too(tied):
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    x = rng.standard_normal((400, 5)) @ np.diag([3.0, 2.0, 1.0, 0.5, 0.2]) @ turn
    x -= x.mean(0)
    _, spread, directions = np.linalg.svd(x, full_matrices=False)
    residual = (spread[2:] ** 2).sum() / x.size
    ae = mc.zoo.stacked(activation="linear", seed=1, dtype="float64", tied=tied)
    for rate, batch in ((0.01, 100), (0.001, 400)):
        ae.compile("mse", Adam(rate))
        ae.fit(x, epochs=150, batch_size=batch, verbose=0)
    assert residual <= ae.evaluate(x) <= 1.01 * residual
    plane = np.linalg.svd(ae.reconstruct(x), full_matrices=False)[2][:2]
    assert np.linalg.svd(plane @ directions[:2].T)[1].min() > 0.999


@pytest.mark.parametrize("regular", [None, L.GaussianNoise(), L.Dropout(0.1), L.L1Penalty(), L.KLSparsity()])
def test_overcomplete_codes_are_warned_of_unless_something_regularises(regular):
    encoder = [L.Dense(3, "sigmoid")] + ([regular] if regular else [])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mc.Autoencoder(encoder, [L.Dense(3)], 3)
    assert len(caught) == (regular is None)
    if caught:
        assert "overcomplete: the code has 3 numbers and the input 3" in str(caught[0].message)
        assert caught[0].filename == __file__


NOTHING = [
    *(L.GaussianNoise(0), L.Dropout(0), L.MaskingNoise(0), L.SaltAndPepperNoise(0), L.L1Penalty(0), L.L2Penalty(0)),
    *(L.KLSparsity(0), L.ContractivePenalty(0), L.ContractivePenalty(0, "finite_difference")),
]


@pytest.mark.parametrize("layer", NOTHING, ids=repr)
def test_what_is_there_with_a_weight_of_0_regularises_nothing(layer):
    with pytest.warns(UserWarning, match="overcomplete"):
        mc.Autoencoder([L.Dense(3, "sigmoid"), layer], [L.Dense(3)], 3)


def test_sampling_regularises_where_it_is_charged_for():
    for beta in (0.0, 0.1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            mc.Autoencoder([L.Dense(6), L.GaussianSampling(beta)], [L.Dense(3)], 3)
        assert len(caught) == (beta == 0)


def test_odd_sizes_are_refused_with_the_chain_of_shapes():
    encoder, decoder = [L.Conv2D(4, 3), L.MaxPooling2D(2)], [L.UpSampling2D(2), L.Conv2D(1, 3)]
    with pytest.raises(ShapeError) as caught:
        mc.Autoencoder(encoder, decoder, (7, 7, 1))
    text = str(caught.value)
    assert "(7, 7, 1) -> (7, 7, 4) -> (3, 3, 4) -> (6, 6, 4) -> (6, 6, 1)" in text
    assert "Cropping2D" in text and "ZeroPadding2D" in text and "in autoencoder" in text
    ae = mc.Autoencoder(
        [L.ZeroPadding2D((0, 1, 0, 1)), L.Conv2D(2, 3), L.MaxPooling2D(2)],
        [L.UpSampling2D(2), L.Conv2D(1, 3), L.Cropping2D((0, 1, 0, 1))],
        (7, 7, 1),
    )
    assert ae.output_shape == (7, 7, 1)


def test_variants_are_one_more_layer():
    x = np.random.default_rng(0).random((60, 8), np.float32)
    variants = {
        "denoising": mc.Autoencoder([L.MaskingNoise(0.3), L.Dense(4, "relu")], [L.Dense(8)], 8),
        "sparse": mc.Autoencoder([L.Dense(4, "sigmoid"), L.KLSparsity()], [L.Dense(8)], 8),
        "contractive": mc.Autoencoder([L.Dense(4, "sigmoid"), L.ContractivePenalty()], [L.Dense(8)], 8),
        "variational": mc.Autoencoder([L.Dense(4), L.GaussianSampling(0.01)], [L.Dense(8)], 8),
        "all": mc.Autoencoder(
            [L.GaussianNoise(0.1), L.Dense(4, "sigmoid"), L.ContractivePenalty(), L.L1Penalty()], [L.Dense(8)], 8
        ),
    }
    for name, ae in variants.items():
        ae.compile("mse", Adam(0.02))
        loss = ae.fit(x, epochs=6, batch_size=20, verbose=0).history["loss"]
        assert loss[-1] < loss[0], name
        assert ae.encode(x).shape == (60, 2 if name == "variational" else 4)
        assert np.array_equal(ae.encode(x), ae.encode(x)), name


def test_a_denoising_target_is_the_clean_input():
    ae = mc.Autoencoder([L.MaskingNoise(1.0), L.Dense(2)], [L.Dense(4)], 4)
    ae.compile("mse")
    x = np.ones((5, 4), np.float32)
    assert ae.train_on_batch(x) == 1.0  # all is masked, biases are 0: the answer is 0 and the target 1


def test_repr_and_parts():
    ae = convolutional()
    assert repr(ae).startswith(
        "Autoencoder(encoder=[Conv2D(2, 3, activation='relu'), MaxPooling2D(), Flatten(), Dense(6)]"
    )
    assert ae.encoder.output_shape == (6,) == ae.decoder.input_shape
    again = mc.Autoencoder(mc.Sequential([L.Dense(2)]), mc.Sequential([L.Dense(3)]), 3)
    assert again.encoder.output_shape == (2,)


def test_layers_are_found_by_the_names_that_errors_use():
    ae = mc.zoo.stacked()
    assert ae.decoder[0].name == "decoder[0]" and ae.encoder[-1].name == f"encoder[{len(ae.encoder.layers) - 1}]"
    assert ae[0] is ae.encoder and list(ae.encoder) == ae.encoder.layers

"""Tied weights: one array, one gradient, and a tie that survives whatever is done with the model."""

import copy
import pickle

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import SettingError, ShapeError


def dense(**options):
    first, second = L.Dense(5, "tanh"), L.Dense(3, "tanh")
    return mc.Autoencoder([first, second], [L.Tied(second, "tanh"), L.Tied(first)], 8, **options), (6, 8)


def convolutional(**options):
    first = L.Conv2D(3, 3, strides=2, activation="tanh")
    second = L.Conv2D(4, (3, 2), dilation=(1, 2), activation="elu")
    encoder = [first, L.BatchNormalization(), second, L.AveragePooling2D(2)]
    decoder = [L.UpSampling2D(2), L.Tied(second, "tanh"), L.Tied(first)]
    return mc.Autoencoder(encoder, decoder, (8, 8, 2), **options), (
        3,
        8,
        8,
        2,
    )


@pytest.fixture(params=[dense, convolutional], ids=lambda network: network.__name__)
def network(request):
    return request.param


def made(network, backend, dtype="float64"):
    model, shape = network(dtype=dtype, backend=backend.__name__.split(".")[-1])
    model.compile("mse")
    return model, np.random.default_rng(0).random(shape).astype(dtype)


def partner(tied):
    return tied._partner


def test_the_total_gradient(network, backend):
    model, x = made(network, backend)
    report = mc.gradcheck(model, x, x)
    assert report.ok, report


def test_the_gradient_is_the_sum_of_both_uses(backend):
    """Against the same network with weights of its own in the decoder."""
    tied, x = made(dense, backend)
    free = mc.Autoencoder(
        [L.Dense(5, "tanh"), L.Dense(3, "tanh")], [L.Dense(5, "tanh"), L.Dense(8)], 8, dtype="float64"
    )
    free.compile("mse")
    w1, b1, w2, b2, b3, b4 = tied.get_weights()
    free.set_weights([w1, b1, w2, b2, w2.T, b3, w1.T, b4])
    for model in (tied, free):
        model.backward(model.loss(model.forward(x, training=True), x)[1])
    d1, _, d2, _, e2, _, e1, _ = free.get_gradients()
    assert np.allclose(tied.predict(x), free.predict(x), rtol=1e-13, atol=0)
    for got, want in zip(tied.get_gradients()[::2][:2], (d1 + e1.T, d2 + e2.T)):
        assert np.allclose(got, want, rtol=1e-11, atol=1e-15)


def test_one_array(network, backend):
    model, x = made(network, backend)
    names = [entry.name for entry in model.parameters]
    assert len(set(names)) == len(names) and not any(name.endswith(".w") for name in names if "decoder" in name)
    assert sum(w.size for w in model.get_weights()) == model.parameters.values.size
    before = model.predict(x)
    model.encoder.layers[0].w *= 2
    after = model.predict(x)
    model.encoder.layers[0].w /= 2
    assert not np.allclose(before, after) and np.allclose(model.predict(x), before)


def test_it_is_the_adjoint(network, backend):
    """<A x, g> = <x, A' g>, for the linear parts."""
    model, _ = made(network, backend)
    rng = np.random.default_rng(1)
    for tied in (leaf for leaf in model.leaves() if isinstance(leaf, L.Tied)):
        layer, chain = partner(tied), type(tied)(tied.layer, use_bias=False)
        linear = copy.deepcopy(layer)
        linear._act = "linear"
        chain.configure("tied", model.dtype, model.backend)
        chain.follow([layer])
        chain.connect(layer.output_shape)
        x, g = rng.standard_normal((2, *layer.input_shape)), rng.standard_normal((2, *layer.output_shape))
        linear.b[...] = 0
        assert np.isclose(np.vdot(linear.forward(x), g), np.vdot(x, chain.forward(g)), rtol=1e-12)


def copies(model, path):
    return {
        "deepcopy": copy.deepcopy(model),
        "pickle": pickle.loads(pickle.dumps(model)),
        "file": mc.load(model.save(path)),
        "copy of a copy": copy.deepcopy(copy.deepcopy(model)),
    }


def test_copies_are_tied_to_their_own_encoder(network, backend, tmp_path):
    model, x = made(network, backend)
    model.train_on_batch(x)
    want, weights = model.predict(x), model.get_weights()
    for name, again in copies(model, tmp_path / "model").items():
        assert np.array_equal(again.predict(x), want), name
        own = {id(leaf) for leaf in again.encoder.leaves()}
        ties = [leaf for leaf in again.leaves() if isinstance(leaf, L.Tied)]
        assert len(ties) == 2 and all(id(partner(tied)) in own for tied in ties), name
        assert repr(again) == repr(model) and again.config() == model.config()
        again.train_on_batch(x)
        assert not np.array_equal(again.predict(x), want)
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), weights)), name
    trained = [again.get_weights() for again in copies(model, tmp_path / "model").values()]
    assert all(np.array_equal(a, b) for other in trained for a, b in zip(other, weights, strict=True))


def test_a_loaded_model_goes_on_as_if_never_saved(network, backend, tmp_path):
    model, x = made(network, backend, "float32")
    model.fit(x, epochs=2, verbose=0)
    again = mc.load(model.save(tmp_path / "model"))
    for one in (model, again):
        one.fit(x, epochs=2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))


def test_nested_models_keep_the_tie(tmp_path):
    first, second = L.Dense(2), L.Dense(3)
    model = mc.Sequential(
        [mc.Autoencoder([first], [L.Tied(first)]), mc.Autoencoder([second], [L.Tied(second)])], 4, dtype="float64"
    )
    x = np.random.default_rng(0).random((5, 4))
    assert [leaf.layer for leaf in model.leaves() if isinstance(leaf, L.Tied)] == [
        "sequential[0].encoder[0]",
        "sequential[1].encoder[0]",
    ]
    assert mc.gradcheck(model, x).ok
    assert np.array_equal(mc.load(model.save(tmp_path / "m")).predict(x), model.predict(x))


def test_a_name_will_do():
    model = mc.Sequential([L.Dense(2), L.Tied("sequential[0]", use_bias=False)], 4)
    assert [w.shape for w in model.get_weights()] == [(4, 2), (2,)]


def test_what_it_refuses():
    for layer in (L.Conv2DTranspose(2, 3), L.ReLU(), None, 3, L.Dense):
        with pytest.raises(SettingError, match="a Dense or Conv2D layer"):
            L.Tied(layer)
    elsewhere, layer = L.Dense(2), L.Dense(2)
    for tied in (L.Tied(elsewhere), L.Tied("encoder[3]"), L.Tied("decoder[0]")):
        with pytest.raises(SettingError, match="must be a Dense or Conv2D layer in front"):
            mc.Autoencoder([L.Dense(2)], [tied], 4)
    with pytest.raises(SettingError, match="in front of this one"):
        mc.Sequential([L.Tied(layer), layer], 4)
    with pytest.raises(ShapeError, match=r"it takes \(2,\), got \(3,\)"):
        mc.Sequential([layer, L.Dense(3), L.Tied(layer)], 4)

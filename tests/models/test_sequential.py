"""Sequential: weights, the way forward and back, prediction, evaluation, and the bits of all of them."""

import copy

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import BackendError, DataError, MinicaeError, SettingError, ShapeError
from minicae.layers.base import Layer


def name_of(backend):
    return backend.__name__.split(".")[-1]


def small(backend="cpu", seed=0, dtype="float32"):
    layers = [L.Conv2D(3, 3, activation="relu"), L.MaxPooling2D(2), L.UpSampling2D(2), L.Conv2D(2, 3)]
    return mc.Sequential(layers, (6, 8, 2), seed=seed, dtype=dtype, backend=backend)


def images(n=5, seed=0):
    return np.random.default_rng(seed).random((n, 6, 8, 2), np.float32)


def same(a, b):
    return len(a) == len(b) and all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(a, b))


def test_weights_come_layer_by_layer_w_then_b():
    model = small()
    assert [w.shape for w in model.get_weights()] == [(3, 3, 2, 3), (3,), (3, 3, 3, 2), (2,)]
    assert [entry.name for entry in model.parameters] == [
        *("sequential[0].w", "sequential[0].b", "sequential[3].w", "sequential[3].b")
    ]
    norm = mc.Sequential([L.Dense(2, use_bias=False), L.BatchNormalization()], 3)
    assert [w.shape for w in norm.get_weights()] == [(3, 2), (2,), (2,)]


def test_set_weights_is_the_inverse_of_get_weights():
    one, other = small(seed=0), small(seed=1)
    assert not np.array_equal(one.predict(images()), other.predict(images()))
    other.set_weights(one.get_weights())
    assert same(one.get_weights(), other.get_weights())
    assert np.array_equal(one.predict(images()), other.predict(images()))
    copies = one.get_weights()
    copies[0][...] = 0
    assert not same(copies, one.get_weights())


@pytest.mark.parametrize(
    "weights, message",
    [
        ([np.zeros((3, 2))], "2 arrays of weights, got 1"),
        ([np.zeros((2, 3)), np.zeros(2)], r"sequential\[0\].w has the shape \(3, 2\), got \(2, 3\)"),
        ([np.zeros((3, 2)), np.zeros((1, 2))], r"sequential\[0\].b has the shape \(2,\)"),
        ([np.zeros((3, 2)), np.array(["a", "b"])], "dtype"),
        ([np.zeros((3, 2)), np.zeros(2, complex)], "complex"),
    ],
)
def test_wrong_weights_change_nothing(weights, message):
    model = mc.Sequential([L.Dense(2)], 3)
    before = model.get_weights()
    with pytest.raises(MinicaeError, match=message):
        model.set_weights(weights)
    assert same(before, model.get_weights())


def test_get_gradients_are_those_of_the_last_backward(backend):
    model = mc.Sequential([L.Dense(2)], 3, dtype="float64", backend=name_of(backend))
    x, dy = np.arange(6.0).reshape(2, 3), np.array([[1.0, 2.0], [3.0, 4.0]])
    model.forward(x, training=True)
    dx = model.backward(dy)
    dw, db = model.get_gradients()
    assert np.array_equal(dw, x.T @ dy) and np.array_equal(db, [4.0, 6.0])
    assert np.allclose(dx, dy @ model.get_weights()[0].T)


def test_same_seed_same_bits_and_another_seed_others():
    def run(seed):
        model = small(seed=seed)
        model.compile("mse", "adam")
        model.fit(images(40), epochs=2, batch_size=16, verbose=0)
        return model.get_weights()

    assert same(run(3), run(3))
    assert not np.array_equal(run(3)[0], run(4)[0])


def test_biases_begin_at_zero_and_weights_do_not_repeat():
    model = mc.Sequential([L.Dense(4), L.Dense(4), L.Dense(4)], 4)
    w0, b0, w1, _, w2, _ = model.get_weights()
    assert (b0 == 0).all()
    assert not np.array_equal(w0, w1) and not np.array_equal(w1, w2)


def test_predict_is_forward_outside_training(backend):
    model = mc.Sequential([L.Dropout(0.5), L.Dense(3)], 4, backend=name_of(backend))
    x = np.random.default_rng(0).random((5, 4), np.float32)
    assert np.array_equal(model.predict(x), model.forward(x))
    assert model.predict(x[:0]).shape == (0, 3)
    assert model.predict(x.tolist()).dtype == np.float32


def test_forward_lends_and_predict_gives():
    model, x = small(), images()
    first, kept = model.forward(x), model.forward(x).copy()
    assert np.shares_memory(first, model.forward(x + 1)) and not np.array_equal(first, kept)
    given = model.predict(x)
    model.predict(x + 1)
    assert np.array_equal(given, kept)


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_values_that_are_not_finite_are_refused(verb):
    model, x = small(), images()
    model.compile()
    x[2, 1, 3, 0] = np.nan
    x[4, 0, 0, 1] = np.inf
    with pytest.raises(DataError, match=r"x holds 2 values that are not finite, the first at \(2, 1, 3, 0\)"):
        getattr(model, verb)(x)
    assert np.isnan(model.predict(x, allow_nonfinite=True)[2]).any()


def test_evaluate_does_not_depend_on_batch_size_and_leaves_no_trace(backend):
    model, x = small(name_of(backend)), images(7)
    model.compile("mse", metrics=["mae", "psnr"])
    before = model.get_weights()
    scores = model.evaluate(x)
    expected = np.square(model.predict(x).astype(float) - x).mean()
    assert np.isclose(scores, expected, rtol=1e-6) and scores["penalty"] == 0
    assert list(scores.keys()) == ["loss", "reconstruction", "penalty", "mae", "psnr"]
    errors = np.square(model.predict(x).astype(float) - x).reshape(7, -1).mean(1)
    assert np.isclose(scores["psnr"], np.mean(-10 * np.log10(errors)), rtol=1e-6)
    assert np.isclose(scores["mae"], np.abs(model.predict(x).astype(float) - x).mean(), rtol=1e-6)
    if name_of(backend) == "cpu":
        assert [model.evaluate(x, batch_size=b).parts for b in (1, 3)] == [scores.parts] * 2
    assert same(before, model.get_weights())


def test_train_on_batch_returns_the_objective_before_the_step():
    model = mc.Sequential([L.Dense(4), L.L2Penalty(0.1)], 4, dtype="float64")
    model.compile("mse", "sgd")
    x = np.random.default_rng(0).random((6, 4))
    before = model.evaluate(x)
    assert before["penalty"] > 0
    assert np.isclose(model.train_on_batch(x), float(before), rtol=1e-12)
    assert model.evaluate(x) < before


def test_verbs_that_need_something_first():
    with pytest.raises(SettingError, match="no weights yet"):
        mc.Sequential([L.Dense(2)]).get_weights()
    model = mc.Sequential([L.Dense(2)], 3)
    for verb in (model.fit, model.train_on_batch, model.evaluate):
        with pytest.raises(SettingError, match="compile"):
            verb(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match="forward pass before"):
        model.backward(np.zeros((2, 2)))
    model.forward(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"dy must have the shape of the output, \(2, 2\), got \(3, 2\)"):
        model.backward(np.zeros((3, 2)))


def test_a_layer_lives_in_one_model():
    layer = L.Dense(2)
    mc.Sequential([layer], 3)
    with pytest.raises(SettingError, match="already part of a model"):
        mc.Sequential([layer], 3)


def test_models_are_layers():
    inner = mc.Sequential([L.Dense(3, "tanh"), L.Dense(2)])
    outer = mc.Sequential([L.Dropout(0.2), inner, L.Dense(4)], 4, dtype="float64")
    assert [leaf.name for leaf in outer.leaves()] == [
        *("sequential[0]", "sequential[1][0]", "sequential[1][1]", "sequential[2]")
    ]
    assert mc.gradcheck(outer, np.random.default_rng(0).random((3, 4))).ok


def test_a_layer_of_your_own_needs_three_verbs():
    class Double(Layer):
        def build(self, input_shape):
            return input_shape

        def forward(self, x, training=False):
            return 2 * self.admit(x)

        def backward(self, dy):
            return 2 * dy

    model = mc.Sequential([L.Dense(3), Double()], 3)
    model.compile("mse", "adam")
    history = model.fit(np.random.default_rng(0).random((40, 3)), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_copies_are_independent():
    model = small()
    model.compile()
    twin = copy.deepcopy(model)
    assert np.array_equal(twin.predict(images()), model.predict(images()))
    before = model.get_weights()
    twin.trainer.model = twin
    twin.train_on_batch(images())
    assert same(before, model.get_weights()) and not same(before, twin.get_weights())


@pytest.mark.parametrize("kind", ["gpu", "", None, 3])
def test_an_unknown_backend_is_refused_when_building(kind):
    with pytest.raises(BackendError, match="choose one of 'reference', 'cpu', 'cuda'"):
        mc.Sequential([L.Dense(2)], 3, backend=kind)

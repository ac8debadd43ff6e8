"""The contractive penalty against Jacobians that are worked out in other ways."""

import copy
import pickle

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import SettingError, ShapeError


def encoder(*layers, shape, backend="reference", **options):
    penalty = L.ContractivePenalty(1.0, "finite_difference", **options)
    return mc.Sequential([*layers, penalty], shape, dtype="float64", backend=backend)


def jacobian_norm(model, x, h=1e-5):
    """Mean over images of ||d code / d input||^2, column by column."""
    total = 0.0
    for place in np.ndindex(*x.shape[1:]):
        moved = np.zeros_like(x)
        moved[(slice(None), *place)] = h
        total += np.square((model.predict(x + moved) - model.predict(x - moved)) / (2 * h)).sum()
    return total / len(x)


def charges(model, x, draws):
    found = []
    for _ in range(draws):
        model.forward(x, training=True)
        found.append(model.penalty)
    return np.array(found)


DENSE = [lambda: L.Dense(4, "tanh"), lambda: L.Dense(3, "sigmoid")]
CONV = [lambda: L.Conv2D(2, 3, strides=2, activation="tanh"), lambda: L.Flatten(), lambda: L.Dense(3, "softplus")]


@pytest.mark.parametrize("layers, shape", [(DENSE, (5,)), (CONV, (4, 4, 1))], ids=["dense", "convolutional"])
def test_the_estimate_is_right_on_average(layers, shape):
    model = encoder(*(make() for make in layers), shape=shape, step=1e-3)
    x = np.random.default_rng(0).standard_normal((6, *shape))
    found = charges(model, x, 1500)
    want = jacobian_norm(model, x)
    assert abs(found.mean() - want) < 5 * found.std() / np.sqrt(len(found)) < 0.1 * want


def test_it_is_exact_where_the_jacobian_is_diagonal():
    """J u has the same length for every u of signs, and the code is linear: no variance and no bias."""
    model = encoder(L.Dense(3), shape=(3,))
    model.set_weights([np.diag([1.0, 2.0, 3.0]), np.zeros(3)])
    assert np.allclose(charges(model, np.random.default_rng(0).random((4, 3)), 5), 14.0, rtol=1e-10)


def test_its_variance_is_the_one_stated():
    w = np.random.default_rng(1).standard_normal((4, 3))
    model = encoder(L.Dense(3, use_bias=False), shape=(4,))
    model.set_weights([w])
    found = charges(model, np.zeros((1, 4)), 4000)
    gram = w @ w.T
    want = 2 * (np.square(gram).sum() - np.square(np.diag(gram)).sum())
    assert abs(found.mean() - np.square(w).sum()) < 5 * np.sqrt(want / len(found))
    assert abs(found.var() / want - 1) < 0.15


def test_the_bias_falls_with_the_square_of_the_step():
    x = np.random.default_rng(0).standard_normal((2000, 2))
    exact = mc.Sequential([L.Dense(3, "tanh"), L.ContractivePenalty(1.0)], 2, dtype="float64", backend="reference")
    exact.forward(x)
    bias = []
    for step in (0.4, 0.2):
        model = encoder(L.Dense(3, "tanh"), shape=(2,), step=step)
        model.set_weights(exact.get_weights())
        linear = encoder(L.Dense(3, "tanh"), shape=(2,), step=1e-3)
        linear.set_weights(exact.get_weights())
        bias.append(charges(model, x, 1)[0] - charges(linear, x, 1)[0])  # the same signs
    assert 3 < bias[0] / bias[1] < 5


def test_both_estimators_agree_on_one_dense_layer(backend):
    x = np.random.default_rng(0).standard_normal((500, 4))
    name = backend.__name__.split(".")[-1]
    one = mc.Sequential([L.Dense(3, "tanh"), L.ContractivePenalty(1.0)], 4, dtype="float64", backend=name)
    other = encoder(L.Dense(3, "tanh"), shape=(4,), backend=name, step=1e-3)
    other.set_weights(one.get_weights())
    one.forward(x, training=True)
    found = charges(other, x, 40)
    assert abs(found.mean() - one.penalty) < 5 * found.std() / np.sqrt(40) + 1e-5


@pytest.mark.parametrize("training", [True, False])
def test_gradients_with_everything_in_front(backend, training):
    layers = [L.GaussianNoise(0.1), L.Conv2D(3, 3, 2, activation="tanh"), L.BatchNormalization(), L.Dropout(0.3)]
    layers += [L.L2Penalty(0.1), L.Conv2DTranspose(2, 3, 2), L.AveragePooling2D(2), L.Flatten(), L.Dense(4, "sigmoid")]
    model = encoder(*layers, shape=(6, 6, 1), backend=backend.__name__.split(".")[-1], step=0.1)
    report = mc.gradcheck(model, np.random.default_rng(0).standard_normal((3, 6, 6, 1)), samples=30, training=training)
    assert report.ok, report


def test_gradients_of_tied_and_conditional_encoders(backend):
    name = backend.__name__.split(".")[-1]
    first = L.Dense(4, "tanh")
    x = mc.conditioned(np.random.default_rng(0).random((4, 5)), [0, 1, 2, 1])
    model = encoder(
        L.SplitLabels(), L.AppendLabels(3), first, L.Tied(first, "tanh"), L.Dense(2), shape=(6,), backend=name
    )
    report = mc.gradcheck(model, x)
    assert report.ok, report


def test_noise_in_front_is_switched_off_in_the_second_pass():
    x = np.random.default_rng(0).random((8, 4))
    model = encoder(L.GaussianNoise(5.0), L.Dropout(0.5), L.Dense(3), shape=(4,))
    norm = np.square(model.get_weights()[0]).sum()
    assert abs(charges(model, x, 300).mean() - norm) < 0.2 * norm


def test_running_statistics_move_once_a_step():
    x = np.random.default_rng(0).random((8, 4))
    plain = mc.Sequential([L.BatchNormalization(), L.Dense(2)], 4, dtype="float64", backend="reference")
    model = encoder(L.BatchNormalization(), L.Dense(2), shape=(4,))
    for one in (plain, model):
        one.forward(x, training=True)
    for name, array in plain.layers[0].states.items():
        assert np.array_equal(model.layers[0].states[name], array)


def test_outside_training_the_charge_is_the_same_at_every_call_and_draws_nothing():
    x = np.random.default_rng(0).random((8, 4))
    model = encoder(L.Dense(3, "tanh"), L.Dense(3, "tanh"), shape=(4,))
    state = model.layers[-1].rng.bit_generator.state
    seen = set()
    for _ in range(3):
        model.forward(x)
        seen.add(model.penalty)
    assert len(seen) == 1 and model.layers[-1].rng.bit_generator.state == state
    model.forward(x, training=True)
    assert model.penalty not in seen


def test_copies_charge_for_their_own_weights(tmp_path):
    x = np.random.default_rng(0).random((8, 4))
    model = encoder(L.Dense(3, "tanh"), L.Dense(2), shape=(4,))
    model.forward(x)
    charged = model.penalty
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), mc.load(model.save(tmp_path / "m"))):
        again.forward(x)
        assert again.penalty == charged > 0
        again.set_weights([0 * w for w in again.get_weights()])
        again.forward(x)
        assert again.penalty == 0
    model.forward(x)
    assert model.penalty == charged


def test_what_it_refuses():
    with pytest.raises(SettingError, match="'exact' or 'finite_difference'"):
        L.ContractivePenalty(estimator="hutchinson")
    for step in (0, -1, 2, None):
        with pytest.raises(SettingError, match="step"):
            L.ContractivePenalty(step=step)
    with pytest.raises(ShapeError, match="take estimator='finite_difference'"):
        mc.Sequential([L.Dense(3), L.Tanh(), L.ContractivePenalty()], 4)
    for layers in ([], [L.Dense(4), L.GaussianSampling()]):
        with pytest.raises(ShapeError, match="needs an encoder in front of it, without sampling"):
            encoder(*layers, shape=(4,))

"""Updates that are not to be made: on the device, which makes them before anybody looks, they leave a model as on the host."""

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import DataError, DivergedError
from minicae.kernels.cuda._queue import Graph

SGD = mc.optimizers.SGD
X = np.random.default_rng(3).random((3, 5), np.float32)
BAD = np.where(np.eye(3, 5, dtype=bool), np.float32(np.nan), X)


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


def small(backend, optimizer, loss="mse", last=()):
    model = mc.Sequential([L.Dense(3, "tanh"), L.Dense(5), *last], 5, backend=backend)
    model.compile(loss, optimizer)
    return model


def both(do):
    """do(backend) on both, which is to give the same arrays."""
    ends = [do(backend) for backend in ("reference", "cuda")]
    assert np.allclose(*ends, rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_penalty_that_overflows_is_seen_too():
    model = mc.Sequential([L.Dense(5, use_bias=False), L.L2Penalty(1.0)], 5, backend="cuda")
    model.compile("mae", SGD(0.1))
    model.train_on_batch(X)
    before = weights(model)
    model.set_weights([1e25 * np.eye(5, dtype=np.float32)])
    with pytest.raises(DivergedError, match="the loss is inf"):
        model.trainer.step(X, X)
    assert np.isfinite(before).all() and np.array_equal(weights(model), 1e25 * np.eye(5, dtype=np.float32).ravel())


def test_outputs_that_are_no_probabilities_move_nothing():
    model = mc.Sequential([L.Dense(5, use_bias=False), L.Activation("linear")], 5, backend="cuda")
    model.compile("bce", "adam")
    model.set_weights([np.eye(5, dtype=np.float32)])
    for _ in range(3):
        model.train_on_batch(X)
    model.set_weights([3 * np.eye(5, dtype=np.float32)])
    before, steps = weights(model), model.optimizer.steps
    with pytest.raises(DataError, match="needs outputs in 0..1"):
        model.train_on_batch(X)
    assert np.array_equal(weights(model), before) and model.optimizer.steps == steps


def test_weights_do_not_decay_in_a_first_step_that_is_refused():
    for momentum in (0.0, 0.9):
        model = small("cuda", SGD(0.1, momentum=momentum, weight_decay=0.5))
        before = weights(model)
        with pytest.raises(DivergedError):
            model.trainer.step(X, BAD)
        assert np.array_equal(weights(model), before)


def test_weights_do_not_decay_where_outputs_are_no_probabilities():
    model = mc.Sequential([L.Dense(5, use_bias=False), L.Activation("linear")], 5, backend="cuda")
    model.compile("bce", SGD(0.1, weight_decay=0.5))
    model.set_weights([3 * np.eye(5, dtype=np.float32)])
    with pytest.raises(DataError, match="needs outputs in 0..1"):
        model.train_on_batch(X)
    assert np.array_equal(weights(model), 3 * np.eye(5, dtype=np.float32).ravel())


def test_the_last_update_is_taken_back_where_the_second_part_of_one_fails():
    def do(backend):
        model = small(backend, SGD(0.5))
        for _ in range(3):
            model.trainer.step(X, X, 0.5, False)
            model.trainer.step(X, X, 0.5, True)
        model.trainer.step(X, X, 0.5, False)
        with pytest.raises(DivergedError):
            model.trainer.step(X, BAD, 0.5, True)
        return weights(model)

    both(do)


def test_optimizers_move_again_by_hand():
    def do(backend):
        model = small(backend, SGD(0.5))
        with pytest.raises(DivergedError):
            model.trainer.step(X, BAD)
        for _ in range(2):
            y = model.forward(X, training=True)
            _, dy = model.loss(y, model.lift("target", X) if model.away else X)
            model.backward(dy)
            model.optimizer.step(model.parameters)
        return weights(model)

    both(do)


class Charging(L.Layer):
    """A user's layer, with a charge that it is given."""

    charge = [0.0]

    def build(self, input_shape):
        return input_shape

    def forward(self, x, training=False):
        self.penalty = self.charge[0]
        return self.admit(x)

    def backward(self, dy):
        return self.admit_gradient(dy)


class ByHand(mc.optimizers.Optimizer):
    """A user's optimizer, which knows nothing of what was found."""

    def __init__(self, learning_rate=0.5):
        super().__init__(learning_rate)

    def _move(self, backend, values, gradients, rate):
        backend.scale(gradients, -rate)
        backend.add(values, gradients, values)


@pytest.mark.parametrize("warm", [0, 1, 3])
def test_a_charge_of_other_people_is_seen_before_the_update(warm):
    def do(backend):
        model = small(backend, SGD(0.5, momentum=0.9), last=[Charging()])
        Charging.charge[0] = 0.25
        losses = [model.train_on_batch(X) for _ in range(warm)]
        Charging.charge[0] = np.inf
        with pytest.raises(DivergedError, match="the loss is inf"):
            model.trainer.step(X, X)
        velocity = model.optimizer.state.get("velocity", np.zeros(1))
        return np.concatenate([losses, weights(model), model.parameters.packed(velocity) if warm else []])

    both(do)


@pytest.mark.parametrize("warm", [0, 1, 3])
def test_an_optimizer_of_other_people_is_not_asked_to_move(warm):
    def do(backend):
        model = small(backend, ByHand())
        losses = [model.train_on_batch(X) for _ in range(warm)]
        with pytest.raises(DivergedError):
            model.trainer.step(X, BAD)
        return np.append(losses, weights(model))

    both(do)


class Shifted(mc.losses.MeanSquaredError):
    """A user's loss, whose value is worked on as that of the host is."""

    shift = [1.0]

    def step(self, y, target, fused=False):
        value, dy = super().step(y, target)
        return 0.5 + value * 2 + self.shift[0], dy


class Plain(mc.losses.MeanSquaredError):
    """A user's loss, whose value is a float wherever it is worked out."""

    def step(self, y, target, fused=False):
        value, dy = super().step(y, target)
        return float(value) + Shifted.shift[0], dy


@pytest.mark.parametrize("loss", [Shifted, Plain])
def test_a_value_of_other_peoples_losses_may_be_any_number(loss):
    def do(backend):
        Shifted.shift[0] = 1.0
        model = small(backend, SGD(0.5), loss())
        losses = [model.train_on_batch(X) for _ in range(3)]
        Shifted.shift[0] = np.inf
        with pytest.raises(DivergedError, match="the loss is inf"):
            model.trainer.step(X, X)
        return np.append(losses, weights(model))

    both(do)


def test_a_second_training_takes_the_graph_of_the_first():
    model, graphs = small("cuda", SGD(0.5)), []
    for _ in range(2):
        model.fit(np.concatenate([X, X]), epochs=1, batch_size=3, verbose=0)
        graphs.append(list(model.trainer._there.graphs.values()))
    assert len(graphs[0]) == 1 and isinstance(graphs[0][0], Graph) and graphs[1] == graphs[0]

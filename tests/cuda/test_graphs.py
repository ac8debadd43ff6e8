"""A step that is repeated as a graph: whatever is changed between two steps shows in the next one."""

import threading

import numpy as np
import pytest

import minicae as mc
from minicae import kernels
from minicae import layers as L
from minicae.errors import DivergedError
from minicae.kernels.cuda._queue import Graph
from minicae.schedules import OneCycle
from minicae.training import away

SGD = mc.optimizers.SGD  # Adam would make a full step of what rounding leaves of a gradient of 0


def variational(backend):
    layers = [L.Dropout(0.2), L.Dense(4), L.GaussianSampling(0.1), L.Dense(5), L.KLSparsity(1e-3), L.L1Penalty(1e-3)]
    layers[4:4] = [L.Sigmoid()]
    return mc.Sequential(layers, 5, backend=backend)


def batch(n=3):
    return np.random.default_rng(n).random((n, 5), np.float32)


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


def nothing(model):
    pass


def a_rate_of_dropout(model):
    model[0].rate = 0.6


def the_warmth_of_beta(model):
    model[2].warmth = 0.25


def a_learning_rate(model):
    model.optimizer.learning_rate = 0.02


def the_usual_warmth(model):
    model[2].warmth = 0.25
    model.train_on_batch(batch())
    model.train_on_batch(batch())
    del model[2].warmth


def a_weight_of_a_penalty(model):
    model[5].weight = 0.3


def a_limit(model):
    model.optimizer.clip_norm = 1e-3


def buffers(model):
    model.evaluate(batch(7))


def weights_from_outside(model):
    model.set_weights([w / 2 for w in model.get_weights()])


def a_batch_of_another_size(model):
    model.train_on_batch(batch(2))


def the_step_to_an_eager_one(model):
    model.forward(batch(), training=True)
    model.backward(np.ones((3, 5), np.float32))


CHANGES = [
    nothing,
    a_rate_of_dropout,
    the_warmth_of_beta,
    the_usual_warmth,
    a_learning_rate,
    a_weight_of_a_penalty,
    a_limit,
    buffers,
    weights_from_outside,
    a_batch_of_another_size,
    the_step_to_an_eager_one,
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_changed_between_steps_shows(change):
    losses, ends = [], []
    for backend in ("reference", "cuda"):
        model, found = variational(backend), []
        model.compile("mse", SGD(0.5, momentum=0.9))
        for happens in (nothing, nothing, nothing, change, nothing, nothing):
            happens(model)
            found.append(model.train_on_batch(batch()))
        losses.append(found)
        ends.append(weights(model))
    assert np.allclose(*losses, rtol=1e-5, atol=0)
    assert np.allclose(*ends, rtol=1e-4, atol=1e-6)
    graphs = model.trainer._there.graphs.values()
    assert Graph in map(type, graphs)
    if change in (nothing, the_warmth_of_beta, a_learning_rate):
        assert len(graphs) == 1  # none of these is part of the list


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam", "adamw", "nadam"])
def test_optimizers_keep_count(optimizer):
    """Corrections and schedules are other numbers at every step; gradients are not small here, so that Adam can be compared."""
    losses = []
    for backend in ("reference", "cuda"):
        model = mc.Sequential([L.Dense(3, "tanh"), L.Dense(5)], 5, backend=backend)
        model.compile("mse", type(mc.optimizers.get(optimizer))(OneCycle(0.05, 6)))
        losses.append([model.train_on_batch(10 * batch()) for _ in range(6)])
    assert np.allclose(*losses, rtol=1e-4, atol=0)
    assert [type(graph) for graph in model.trainer._there.graphs.values()] == [Graph]


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("warm", [0, 1, 3])
@pytest.mark.parametrize("bad", [np.nan, 1e25], ids=["nan", "a loss that overflows, of finite gradients"])
def test_where_a_loss_is_not_finite_nothing_moves(bad, warm):
    """The device makes the update by itself, before anybody here has seen the loss."""
    x, found = batch(), []
    target = x.copy()
    target[1, 1] = bad
    for backend in ("reference", "cuda"):
        model = mc.Sequential([L.Dense(3, "tanh"), L.Dense(5)], 5, backend=backend)
        model.compile("mse", "nadam")
        for _ in range(warm):
            model.trainer.step(x, x)
        before, moments = weights(model), {name: model.home(v) + 0 for name, v in model.optimizer.state.items()}
        steps = model.optimizer.steps
        with np.errstate(over="ignore"), pytest.raises(DivergedError, match="the loss is (nan|inf)"):
            model.trainer.step(x, target)
        assert model.optimizer.steps == steps == warm
        assert all(np.array_equal(model.home(model.optimizer.state[name]), moment) for name, moment in moments.items())
        if warm == 0:
            assert np.array_equal(weights(model), before)
        found.append([weights(model), [model.trainer.step(x, x)[0] for _ in range(3)]])
    assert np.allclose(found[0][0], found[1][0], rtol=1e-4, atol=1e-6)
    assert np.allclose(found[0][1], found[1][1], rtol=1e-4, atol=0)


def test_within_an_epoch_the_layers_are_asked_once_for_each_kind_of_batch(monkeypatch):
    asked, begin = [], away.Handed.__init__
    monkeypatch.setattr(away.Handed, "__init__", lambda self, *of: (asked.append(of[1].shape), begin(self, *of))[1])
    model = mc.Sequential([L.Dropout(0.2), L.Dense(3, "tanh"), L.Dense(5)], 5, backend="cuda")
    model.compile("mse", "adam")
    model.fit(batch(22), epochs=3, batch_size=4, verbose=0)
    assert asked == 3 * [(4, 5), (2, 5)]
    asked.clear()
    model.fit(batch(24), epochs=2, batch_size=4, accumulate=2, verbose=0)
    assert asked == 2 * [(4, 5), (4, 5)]  # the first of an update, and the one that ends it


class Steep(mc.losses.MeanSquaredError):
    """A user's loss whose gradient depends on something that nobody else can see."""

    factor = [1.0]

    def step(self, y, target, fused=False):
        value, dy = super().step(y, target)
        kernels.backend(self.backend).scale(dy, self.factor[0])
        return value, dy


def test_code_of_other_people_is_asked_every_time():
    ends = []
    for backend in ("reference", "cuda"):
        model = mc.Sequential([L.Dense(3, "tanh"), L.Dense(5)], 5, backend=backend)
        model.compile(Steep(), SGD(0.1))
        for Steep.factor[0] in (1.0, 1.0, 1.0, 2.0, 3.0):
            model.train_on_batch(batch())
        ends.append(weights(model))
    assert np.allclose(*ends, rtol=1e-4, atol=1e-6)


class Scaled(mc.Sequential):
    """A user's model, which does more than its layers."""

    factor = [1.0]

    def forward(self, x, training=False):
        y = super().forward(x, training)
        self.kernels.scale(y, self.factor[0])
        return y


def test_a_model_of_other_people_is_asked_every_time():
    ends = []
    for backend in ("reference", "cuda"):
        model = Scaled([L.Dense(3, "tanh"), L.Dense(5)], 5, backend=backend)
        model.compile("mse", SGD(0.1))
        Scaled.factor[0] = 1.0
        first = [model.train_on_batch(batch()) for _ in range(3)]
        Scaled.factor = [3.0]
        ends.append([*first, model.train_on_batch(batch())])
        Scaled.factor = [1.0]
    assert np.allclose(*ends, rtol=1e-4, atol=0) and ends[0][3] > ends[0][2]


def test_an_optimizer_that_changes_the_model_is_heeded():
    class Calming(SGD):
        def step(self, parameters):
            super().step(parameters)
            self.model[0].rate /= 2

    ends = []
    for backend in ("reference", "cuda"):
        model = variational(backend)
        model.compile("mse", Calming(0.1))
        ends.append([model.train_on_batch(batch()) for _ in range(4)])
    assert np.allclose(*ends, rtol=1e-4, atol=0)


def test_a_thread_takes_no_steps_of_another_whose_memory_they_use():
    model = mc.Sequential([L.Dense(3, "tanh"), L.Dense(5)], 5, backend="cuda")
    model.compile("mse", SGD(0.1))
    model.train_on_batch(batch())
    mine = model.trainer._output

    def other():
        model.train_on_batch(batch())
        assert model.trainer._output is not mine
        model.backward(np.ones((3, 5), np.float32))  # of this thread's own forward pass
        done.append(True)

    done = []
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert done


def test_models_that_take_turns_do_not_take_each_others_steps():
    ends = []
    for backend in ("reference", "cuda"):
        models = [mc.Sequential([L.Dense(3, "tanh"), L.Dense(5)], 5, backend=backend, seed=s) for s in range(2)]
        for model in models:
            model.compile("mse", SGD(0.1, momentum=0.9))
        for turn in (0, 0, 0, 1, 0, 1, 1, 1, 0):
            models[turn].train_on_batch(batch())
        ends.append(np.concatenate([weights(model) for model in models]))
    assert np.allclose(*ends, rtol=1e-4, atol=1e-6)


def test_a_training_that_was_left_in_the_middle_of_an_update_leaves_nothing_of_it():
    ends = []
    for backend in ("reference", "cuda"):
        model = mc.Sequential([L.Dense(3, "tanh"), L.Dense(5)], 5, backend=backend)
        model.compile("mse", SGD(0.1))
        for _ in range(3):
            model.trainer.step(batch(), batch(), 0.5, False)
            model.trainer.step(batch(), batch(), 0.5, True)
        model.trainer.step(batch(), batch(), 0.5, False)
        model.trainer.forget()  # as every `fit` does when it begins
        model.trainer.step(batch(), batch(), 0.5, False)
        model.trainer.step(batch(), batch(), 0.5, True)
        ends.append(weights(model))
    assert np.allclose(*ends, rtol=1e-4, atol=1e-6)


def test_batches_of_an_epoch_and_parts_of_an_update():
    """The last batch is smaller, and some batches only add to a gradient: three lists, each a graph."""
    ends = []
    for backend in ("reference", "cuda"):
        model = mc.Sequential([L.Dense(3, "tanh"), L.Dense(5)], 5, backend=backend)
        model.compile("mse", SGD(0.1, momentum=0.9), metrics=["mae"])
        history = model.fit(batch(11), epochs=4, batch_size=3, accumulate=2, verbose=0, validation_split=0.1)
        ends.append(np.concatenate([weights(model), *history.history.values()][:-1]))
    assert np.allclose(ends[0][:-8], ends[1][:-8], rtol=1e-4, atol=1e-6)
    assert [type(graph) for graph in model.trainer._there.graphs.values()].count(Graph) == 3

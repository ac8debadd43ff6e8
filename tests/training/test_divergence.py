"""When numbers explode: training stops before the weights are spoiled, and says where it began."""

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import DivergedError
from minicae.optimizers import SGD


def vectors(n=20, seed=0):
    return np.random.default_rng(seed).random((n, 4), np.float32)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("rate", [1e4, 1e10, 1e20, 1e38, 1e300])
@pytest.mark.parametrize("network", ["dense", "convolutional"])
def test_a_huge_learning_rate_stops_with_finite_weights(rate, network, backend):
    if network == "dense":
        layers, shape = [L.Dense(3), L.BatchNormalization(), L.Dense(4)], (4,)
    else:
        layers, shape = [L.Conv2D(3, 3), L.BatchNormalization(), L.Conv2D(1, 3)], (5, 5, 1)
    m = mc.Sequential(layers, shape, backend=backend.__name__.split(".")[-1])
    m.compile("mse", SGD(rate))
    x = np.random.default_rng(0).standard_normal((40, *shape))
    with pytest.raises(DivergedError, match=r"epoch \d+, step \d+: .*lower the learning rate") as caught:
        m.fit(x, epochs=50, batch_size=8, verbose=0)
    assert "sequential[" in str(caught.value)
    assert all(np.isfinite(w).all() for w in m.get_weights())
    assert all(np.isfinite(array).all() for leaf in m.leaves() for array in leaf.states.values())


def test_a_nan_in_the_data_stops_before_the_weights():
    m = mc.Sequential([L.Dense(3, "tanh"), L.BatchNormalization(), L.Dense(4)], 4)
    m.compile()
    x = vectors()
    x[11, 2] = np.nan
    good = m.get_weights()
    with pytest.raises(DivergedError, match=r"step 1: the loss is nan, first in the output of sequential\[0\] Dense"):
        m.fit(x, allow_nonfinite=True, batch_size=20, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(good, m.get_weights()))
    m.fit(vectors(), epochs=1, verbose=0)


def test_a_nan_gradient_names_the_parameter():
    class Poison(L.Layer):
        def build(self, input_shape):
            return input_shape

        def forward(self, x, training=False):
            return self.admit(x)

        def backward(self, dy):
            return dy * np.nan

    m = mc.Sequential([L.Dense(3), Poison(), L.Dense(4)], 4)
    m.compile()
    good = m.get_weights()
    with pytest.raises(DivergedError, match=r"a gradient is not finite, first in the gradient of sequential\[0\].w"):
        m.train_on_batch(vectors())
    assert all(np.array_equal(a, b) for a, b in zip(good, m.get_weights()))


def test_terminate_on_nan_and_other_callbacks_are_told_that_training_ended():
    ended = []
    m = mc.Sequential([L.Dense(4)], 4)
    m.compile("mse", SGD(1e30))
    callback = mc.callbacks.LambdaCallback(on_train_end=lambda: ended.append(True))
    with pytest.raises(DivergedError):
        m.fit(vectors(), verbose=0, batch_size=2, callbacks=[callback])
    assert ended == [True] and not m.trainer.fitting
    with pytest.raises(DivergedError, match="epoch 2: val_loss, psnr not finite"):
        mc.callbacks.TerminateOnNaN().on_epoch_end(2, {"loss": 1.0, "val_loss": np.nan, "psnr": np.inf})


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("steps", [None, 1])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_weights_that_the_last_update_of_an_epoch_broke_are_taken_back_and_not_saved(backend, steps, tmp_path):
    m = mc.Sequential([L.Dense(4)], 4, backend=backend)
    m.compile("mse", SGD(1e300))
    good = m.get_weights()
    with pytest.raises(
        DivergedError, match=r"epoch 1, step 1: a weight is not finite after the update.*lower the learn"
    ):
        m.fit(vectors(), batch_size=99, verbose=0, callbacks=mc.callbacks.ModelCheckpoint(tmp_path / "m", steps=steps))
    assert all(np.array_equal(a, b) for a, b in zip(good, m.get_weights()))
    assert not list(tmp_path.iterdir())

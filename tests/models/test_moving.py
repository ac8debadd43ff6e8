"""A model on another backend than it began on: moved there, or loaded there from a file."""

import copy

import numpy as np
import pytest

import minicae as mc
from minicae import kernels
from minicae import layers as L
from minicae.errors import BackendError, SettingError
from minicae.training import checkpoint


@pytest.mark.parametrize("start, end", [("reference", "cpu"), ("cpu", "reference"), ("cpu", "cpu")])
def test_a_model_moves_between_backends_and_goes_on(start, end):
    x = np.random.default_rng(0).random((8, 6), np.float32)
    layers = [L.Dropout(0.3), L.Dense(4, "tanh"), L.BatchNormalization(), L.Dense(6)]
    moved, stayed = (mc.Sequential(copy.deepcopy(layers), 6, backend=start) for _ in range(2))
    for model in (moved, stayed):
        model.compile("mse", "nadam")
        model.train_on_batch(x)
    moments = {name: array.copy() for name, array in moved.optimizer.state.items()}
    before = [*moved.get_weights(), *(array.copy() for leaf in moved.leaves() for array in leaf.states.values())]
    assert moved.to(end) is moved
    assert moved.backend == moved.optimizer.backend == moved.loss.backend == end
    assert {leaf.backend for leaf in moved.leaves()} == {end}
    after = [*moved.get_weights(), *(array for leaf in moved.leaves() for array in leaf.states.values())]
    assert all(map(np.array_equal, before, after))
    assert moments.keys() == moved.optimizer.state.keys()
    assert all(np.array_equal(array, moved.optimizer.state[name]) for name, array in moments.items())
    losses = [[model.train_on_batch(x) for _ in range(3)] for model in (moved, stayed)]  # the same noise, too
    assert losses[0] == losses[1] if start == end else np.allclose(*losses, rtol=1e-5, atol=0)


def test_a_model_moves_nowhere_unknown_nor_while_it_is_fitted():
    model = mc.Sequential([L.Dense(2)], 2)
    with pytest.raises(BackendError, match="there is no backend 'gpu'"):
        model.to("gpu")
    model.compile("mse")
    said = []

    class Mover(mc.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            with pytest.raises(SettingError, match="is being fitted") as caught:
                self.model.to("reference")
            said.append(caught)

    model.fit(np.ones((4, 2), np.float32), epochs=1, callbacks=Mover(), verbose=0)
    assert said and model.backend == "cpu"


def test_a_file_from_another_backend(tmp_path):
    x = np.random.default_rng(0).random((4, 3), np.float32)
    model = mc.Sequential([L.Dense(3)], 3, backend="reference")
    path = model.save(tmp_path / "m")
    other = mc.load(path, backend="cpu")
    assert (mc.load(path).backend, other.backend) == ("reference", "cpu")
    assert np.allclose(other.predict(x), model.predict(x), rtol=1e-6, atol=1e-6)
    with pytest.raises(BackendError, match="there is no backend 'gpu'"):
        mc.load(path, backend="gpu")
    header, tensors = checkpoint.read(path)
    header["model"]["backend"] = "cuda"
    checkpoint.write(path, header, tensors)
    if "cuda" not in kernels.available():
        with pytest.raises(BackendError) as caught:
            mc.load(path)
        assert str(caught.value).endswith(f"minicae.load({str(path)!r}, backend='cpu') takes it")
    assert np.array_equal(mc.load(path, backend="reference").predict(x), model.predict(x))

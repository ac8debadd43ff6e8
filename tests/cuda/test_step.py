"""A step of training with every kernel in the simulator, against the same step by the definition."""

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L

MODELS = {
    "dense": lambda backend: mc.Sequential(
        [L.Dense(6, activation="relu"), L.Dense(2, activation="tanh"), L.Dense(8, activation="sigmoid")],
        input_shape=(8,), seed=0, backend=backend,
    ),
    "convolutional": lambda backend: mc.Sequential(
        [
            L.Conv2D(4, 3, padding="same", activation="relu"), L.MaxPooling2D(2), L.BatchNormalization(),
            L.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
            L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"),
            L.UpSampling2D(2), L.Conv2D(1, 3, padding="same"),
        ],
        input_shape=(8, 8, 1), seed=0, backend=backend,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_training_step_is_that_of_the_definition(name):
    losses, weights = [], []
    for backend in ("reference", "cuda"):
        model = MODELS[name](backend)
        if name == "dense":
            model.compile(loss="mse", optimizer="adam")
        else:  # Adam would make a full step of what rounding leaves of a gradient of 0
            model.compile(loss="bce_logits", optimizer=mc.optimizers.SGD(0.1, momentum=0.9))
        x = np.random.default_rng(0).random((2, *model.input_shape), np.float32)
        losses.append([model.train_on_batch(x) for _ in range(2)])
        weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    assert np.allclose(*losses, rtol=1e-5, atol=0) and losses[0][1] < losses[0][0]
    assert np.allclose(*weights, rtol=1e-4, atol=1e-5)

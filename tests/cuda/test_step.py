"""Steps of training with every kernel of the CUDA backend, against the same steps by the definition."""

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L

SGD = mc.optimizers.SGD  # Adam would make a full step of what rounding leaves of a gradient of 0
MODELS = {  # loss, optimizer, shape of the input, layers
    "dense": lambda: (
        "mse", "adam", (8,),
        [L.Dense(6, activation="relu"), L.Dense(2, activation="tanh"), L.Dense(8, activation="sigmoid")],
    ),
    "convolutional": lambda: (
        "bce_logits", SGD(0.1, momentum=0.9), (8, 8, 1),
        [
            L.Conv2D(4, 3, padding="same", activation="relu"), L.MaxPooling2D(2), L.BatchNormalization(),
            L.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
            L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"),
            L.UpSampling2D(2), L.Conv2D(1, 3, padding="same"),
        ],
    ),
    "denoising, bilinear": lambda: (
        "mae", SGD(0.1, momentum=0.9, nesterov=True), (6, 4, 2),
        [
            L.GaussianNoise(0.1), L.OcclusionNoise((2, 2)), L.SaltAndPepperNoise(0.1), L.ZeroPadding2D(1),
            L.Conv2D(3, 3, activation="elu"), L.AveragePooling2D(2), L.Dropout(0.2),
            L.UpSampling2D(2, interpolation="bilinear"), L.Conv2D(2, 1, activation="leaky_relu"), L.Cropping2D(1),
        ],
    ),
    "variational": lambda: (
        "bce", "rmsprop", (4, 4, 1),
        [L.Flatten(), L.Dense(4), L.GaussianSampling(), L.Dense(16, activation="sigmoid"), L.Reshape((4, 4, 1))],
    ),
    "sparse": lambda: (
        "mse", "nadam", (6,),
        [L.Dense(5, activation="sigmoid"), L.KLSparsity(1e-2), L.L1Penalty(1e-2), L.Dense(6), L.Softmax()],
    ),
    "contractive": lambda: (
        "mse", SGD(0.1), (6,),
        [L.Dense(3, activation="tanh"), L.ContractivePenalty(1e-2), L.Dense(6, activation="softplus")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_training_is_that_of_the_definition(name):
    losses, weights = [], []
    for backend in ("reference", "cuda"):
        loss, optimizer, shape, layers = MODELS[name]()
        model = mc.Sequential(layers, input_shape=shape, seed=0, backend=backend)
        model.compile(loss=loss, optimizer=optimizer)
        x = np.random.default_rng(0).random((3, *shape), np.float32)
        losses.append([model.train_on_batch(x) for _ in range(2)] + [model.evaluate(x)["loss"]])
        weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    assert np.allclose(*losses, rtol=1e-5, atol=0)
    assert np.allclose(*weights, rtol=1e-4, atol=1e-5)

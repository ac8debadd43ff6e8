"""Small models on the stand-in for the driver: trained, asked, copied, saved and moved. tests/kernels/test_driver.py runs it.

Nothing is computed there, so every weight must stay what `reference` makes of the same seed, wherever the model goes.
"""

import concurrent.futures
import copy
import gc
import os
import pickle
import tempfile

import numpy as np
from numba import cuda

import minicae as mc
from minicae import layers as L

N, COLD, WARM = 4, 3, 2  # samples of a batch, steps before those that are looked at, and those
MODELS = {  # loss, optimizer, shape of the input, layers
    "dense": lambda: ("mse", "adam", (8,), [L.Dense(6, activation="relu"), L.Dense(8, activation="sigmoid")]),
    "convolutional": lambda: (
        "bce_logits", mc.optimizers.SGD(0.1, momentum=0.9), (8, 8, 1),
        [
            L.Conv2D(16, 3, padding="same", activation="relu"), L.MaxPooling2D(2), L.BatchNormalization(),
            L.Conv2D(32, 3, padding="same", activation="relu"), L.UpSampling2D(2), L.Conv2D(1, 3, padding="same"),
        ],
    ),
    "denoising": lambda: (
        "mse", "rmsprop", (8,),
        [L.GaussianNoise(0.1), L.Dense(6, activation="relu"), L.Dense(8, activation="sigmoid")],
    ),
    "variational": lambda: (
        "mse", "nadam", (4, 2, 1),
        [L.Flatten(), L.Dense(4), L.GaussianSampling(), L.Dense(8, activation="sigmoid"), L.Reshape((4, 2, 1))],
    ),
}  # fmt: skip


def note(text):
    """A line of our own in the driver's log."""
    with open(os.environ["MINICAE_DRIVER_LOG"], "a") as log:
        print("#", text, file=log)


def made(name, backend):
    """The model, and a batch for it."""
    loss, optimizer, shape, layers = MODELS[name]()
    model = mc.Sequential(layers, input_shape=shape, seed=0, backend=backend)
    model.compile(loss=loss, optimizer=optimizer)
    return model, np.random.default_rng(0).random((N, *shape), np.float32)


def train(name):
    """Steps of a model, then the same of everything that is made of it."""
    first = made(name, "reference")[0].get_weights()
    model, x = made(name, "cuda")
    for _ in range(COLD):
        model.train_on_batch(x)
    note(f"warm {name}")
    for _ in range(WARM):
        model.train_on_batch(x)
    note("end")
    with tempfile.TemporaryDirectory() as folder:
        model.save(os.path.join(folder, "model"))
        loaded = mc.load(os.path.join(folder, "model"), backend="cuda")
    others = [loaded, copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    for one in [model, *others]:
        assert one.backend == "cuda"
        one.train_on_batch(x)
        assert one.predict(x).shape == x.shape and not one.predict(x).any()
        assert np.isfinite(one.evaluate(x)["loss"])
        assert same(one.get_weights(), first)
    model.fit(x, epochs=1, batch_size=3, verbose=0)
    with concurrent.futures.ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(model.train_on_batch, x).result()
    del others, loaded, one
    model.to("reference")
    assert same(model.get_weights(), first)
    model.train_on_batch(x)
    there = model.get_weights()
    assert not same(there, first)
    model.to("cuda")
    model.train_on_batch(x)
    assert same(model.get_weights(), there)


def same(ours, theirs):
    """Whether two lists of weights are the same, to the bit."""
    return all(one.tobytes() == other.tobytes() for one, other in zip(ours, theirs, strict=True))


def held():
    """Bytes of the device that are in use once everything that is left over is freed."""
    gc.collect()
    context = cuda.current_context()
    context.memory_manager.deallocations.clear()
    free, total = context.get_memory_info()
    return total - free


if __name__ == "__main__":
    for model in MODELS:
        train(model)
        once = held()  # by the scratch of kernels
        train(model)
        assert held() == once, f"{model} leaves {held() - once} bytes behind"
        print(model)

"""The same bits, always: twice in one process, in another process, with any number of threads."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = """
import hashlib, sys
import numpy as np
import minicae as mc
from minicae import layers as L

def network(kind):
    if kind == "dense":
        encoder = [L.GaussianNoise(0.1), L.Dense(150, "relu"), L.BatchNormalization(), L.Dense(20), L.GaussianSampling(0.01)]
        return mc.Autoencoder(encoder, [L.Dense(150, "tanh"), L.Dense(300, "sigmoid")], 300, seed=1)
    encoder = [L.MaskingNoise(0.2), L.Conv2D(12, 3, activation="relu"), L.MaxPooling2D(2), L.BatchNormalization()]
    encoder += [L.Conv2D(17, 3, strides=2, activation="elu"), L.Flatten(), L.Dense(30, "sigmoid"), L.KLSparsity()]
    decoder = [L.Dense(400), L.Reshape((5, 5, 16)), L.Conv2DTranspose(8, 3, strides=2, activation="relu")]
    decoder += [L.UpSampling2D(2, "bilinear"), L.AveragePooling2D(3, 1, "same"), L.Conv2D(1, 3, activation="sigmoid")]
    return mc.Autoencoder(encoder, decoder, (20, 20, 1), seed=1)

def digest(kind):
    model = network(kind)
    model.compile("bce", "nadam" if kind == "dense" else "adam", metrics=["psnr"])
    x = np.random.default_rng(0).random((150, *model.input_shape), np.float32)
    history = model.fit(x, epochs=3, batch_size=40, validation_split=0.2, verbose=0).history
    del history["seconds"]
    bits = b"".join(w.tobytes() for w in model.get_weights()) + model.predict(x).tobytes() + repr(history).encode()
    assert np.isfinite(model.parameters.values).all()
    return hashlib.sha256(bits).hexdigest()

for kind in ("dense", "convolutional"):
    first = digest(kind)
    assert digest(kind) == first, "twice in one process"
    print(kind, first)
"""


def digests(threads):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": str(threads)}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def with_two_threads():
    return digests(2)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_the_bits_do_not_depend_on_threads_or_process(with_two_threads, threads):
    assert digests(threads) == with_two_threads

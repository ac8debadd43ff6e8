"""Two thousand steps: memory does not grow, and no kernel is compiled for what it was compiled for before."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = """
import gc, os
import numpy as np
import minicae as mc
from minicae import layers as L
from tests.training.test_signatures import entries

def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

encoder = [L.GaussianNoise(0.1), L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(2), L.BatchNormalization(), L.Flatten()]
decoder = [L.Dense(64, "relu"), L.Reshape((4, 4, 4)), L.UpSampling2D(2), L.Conv2D(1, 3, activation="sigmoid")]
model = mc.Autoencoder([*encoder, L.Dense(5)], decoder, (8, 8, 1))
model.compile("bce", metrics=["mae"])
x = np.random.default_rng(0).random((160, 8, 8, 1), np.float32)

def steps(count):
    model.fit(x, epochs=count // 10, batch_size=16, validation_data=x[:20], verbose=0)
    model.predict(x[: 1 + count % 7])

def signatures():
    return sum(len(version.signatures) for _, entry in entries() for version in (entry.serial, entry.parallel))

steps(200)
before, compiled = resident(), signatures()
for _ in range(10):
    steps(200)
print(resident() - before, signatures() - compiled, model.optimizer.steps)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="resident memory is read as on Linux")
def test_two_thousand_steps_leave_memory_and_kernels_as_they_were():
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    grown, compiled, steps = map(int, run.stdout.split())
    assert grown < 5 * 2**20 and compiled == 0 and steps == 2200

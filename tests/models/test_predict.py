"""An image's output does not depend on the batch it came in, nor on how many threads of Python ask at once."""

import functools
import os
import pathlib
import subprocess
import sys
import threading

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.layers import base

ROOT = pathlib.Path(__file__).parents[2]


def dense():
    layers = [L.Dense(70, "tanh"), L.BatchNormalization(), L.Dropout(0.5), L.Dense(33, "softplus"), L.Softmax()]
    return layers, (50,)


def convolutional():
    """A layer for each algorithm: few channels, Winograd's, the plain product, the adjoint at a stride."""
    layers = [L.Conv2D(17, 3, activation="relu"), L.Conv2D(33, 3), L.MaxPooling2D(2), L.Conv2D(20, (1, 3), strides=2)]
    layers += [L.Conv2DTranspose(18, 3, strides=2, activation="elu"), L.UpSampling2D(2, "bilinear")]
    return [*layers, L.AveragePooling2D(3, 1, "same"), L.Conv2D(1, 5, activation="sigmoid")], (12, 16, 1)


NETWORKS = pytest.mark.parametrize("network", [dense, convolutional])


def built(network, backend="cpu", dtype="float32"):
    layers, shape = network()
    model = mc.Sequential(layers, shape, dtype=dtype, backend=backend)
    return model, np.random.default_rng(0).random((23, *shape), np.float32)


@NETWORKS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_batch_gives_the_same_bits(network, dtype):
    model, x = built(network, dtype=dtype)
    whole = model.predict(x, batch_size=len(x))
    for size in (1, 2, 3, 7, 22):
        assert model.predict(x, batch_size=size).tobytes() == whole.tobytes(), size
    order = np.random.default_rng(1).permutation(len(x))
    assert model.predict(x[order], batch_size=5).tobytes() == whole[order].tobytes()


@NETWORKS
def test_any_batch_gives_nearly_the_same_numbers_on_the_definition(network):
    """NumPy's products of matrices choose their own order of adding."""
    model, x = built(network, "reference")
    whole = model.predict(x, batch_size=len(x))
    for size in (1, 3, 22):
        np.testing.assert_allclose(model.predict(x, batch_size=size), whole, rtol=0, atol=1e-5)


def at_once(tasks):
    """Run tasks in threads that start together; what they returned. An error in one of them is raised here."""
    barrier, results = threading.Barrier(len(tasks)), [None] * len(tasks)

    def work(place):
        barrier.wait(60)
        try:
            results[place] = tasks[place]()
        except BaseException as error:
            results[place] = error

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


@NETWORKS
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_threads_that_predict_with_one_model_do_not_meet(network, backend):
    """From its very first prediction on; each thread has images and a batch size of its own."""
    wanted = built(network, backend)[0].predict(built(network)[1])
    parts = [slice(first, first + 9) for first in range(0, 15, 2)]
    for _ in range(5):
        model, x = built(network, backend)
        tasks = [functools.partial(model.predict, x[part], size) for size, part in enumerate(parts, 2)]
        for got, part in zip(at_once(tasks), parts):
            if backend == "cpu":
                assert np.array_equal(got, wanted[part])
            else:
                np.testing.assert_allclose(got, wanted[part], rtol=0, atol=1e-5)


def test_a_layer_has_one_memory_even_if_two_threads_make_it_at_once(monkeypatch):
    layer, barrier = L.Dense(2), threading.Barrier(2)

    def slow():
        barrier.wait(60)  # both have looked, and found none
        return Memory()

    Memory = base.Memory
    monkeypatch.setattr(base, "Memory", slow)
    one, other = at_once([lambda: layer.saved] * 2)
    assert one is other is layer.saved


LAUNCHES = """
import threading
import numba, numpy as np
import minicae as mc
from minicae import layers as L
from minicae.kernels.cpu import _jit

_jit.SERIAL_WORK = -1  # every kernel runs on the pool
x = np.random.default_rng(0).random((8, 60), np.float32)
models = [mc.Sequential([L.Dense(40, "relu"), L.Dense(60)], 60, seed=seed) for seed in range(4)]
wanted = [model.predict(x) for model in models]
wrong, barrier = [], threading.Barrier(8)

def work(place):
    barrier.wait(60)
    for _ in range(200):
        if not np.array_equal(models[place % 4].predict(x), wanted[place % 4]):
            wrong.append(place)

def learn(model):
    model.compile()
    model.fit(x, epochs=100, batch_size=3, verbose=0)
    return model.get_weights()

alone = learn(mc.Sequential([L.Dense(60)], 60))
other = mc.Sequential([L.Dense(60)], 60)
learned = []
threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
threads.append(threading.Thread(target=lambda: learned.append(learn(other))))
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(numba.threading_layer(), wrong, all(np.array_equal(a, b) for a, b in zip(alone, learned[0])))
"""


@pytest.mark.parametrize("layer", ["workqueue", "omp", "tbb"])
def test_launches_from_many_threads_on_each_threading_layer(layer):
    """Eight threads predict with four models while a ninth trains one, on a pool of four."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "4"}
    run = subprocess.run([sys.executable, "-c", LAUNCHES], env=environment, capture_output=True, text=True, timeout=240)
    if run.returncode and "No threading layer could be loaded" in run.stderr:
        pytest.skip(f"Numba's threading layer {layer} is not on this machine")
    assert (run.returncode, run.stdout) == (0, f"{layer} [] True\n"), run.stderr

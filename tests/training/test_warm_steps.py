"""A warm step allocates nothing of size: everything was made in the first step."""

import tracemalloc

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.training.batches import Batches, Images

LIMIT = 16 * 1024  # bytes; a batch of inputs is three times as large


def dense():
    encoder = [
        L.GaussianNoise(0.1),
        L.Dropout(0.1),
        L.Dense(120, "relu"),
        L.BatchNormalization(),
        L.Dense(80, "sigmoid"),
    ]
    encoder += [L.L1Penalty(), L.L2Penalty()]
    return encoder, [L.Dense(120, "tanh"), L.Softmax(), L.Dense(200, "sigmoid")], (200,)


def sparse_and_variational():
    encoder = [L.Dense(100, "sigmoid"), L.ContractivePenalty(), L.KLSparsity(), L.Dense(100), L.GaussianSampling()]
    return encoder, [L.Dense(200)], (200,)


def convolutional():
    encoder = [L.OcclusionNoise(3), L.MaskingNoise(), L.SaltAndPepperNoise(), L.ZeroPadding2D(2), L.Cropping2D(2)]
    encoder += [L.Conv2D(8, 3, activation="relu"), L.MaxPooling2D(2), L.Conv2D(12, 3, strides=2), L.LeakyReLU()]
    encoder += [L.Flatten(), L.Dense(20)]
    decoder = [L.Dense(16 * 12), L.Reshape((4, 4, 12)), L.Conv2DTranspose(8, 3, strides=2, activation="relu")]
    decoder += [L.UpSampling2D(2, "bilinear"), L.AveragePooling2D(3, 1, "same"), L.UpSampling2D(1), L.Conv2D(1, 3)]
    return encoder, decoder, (16, 16, 1)


def contractive_and_tied():
    dense, conv = L.Dense(40, "sigmoid"), L.Conv2D(6, 3, strides=2, activation="relu")
    encoder = [conv, L.BatchNormalization(), L.Dropout(0.1), L.Flatten(), dense]
    decoder = [L.Tied(dense, "relu"), L.Reshape((8, 8, 6)), L.Tied(conv), L.ReLU()]
    return [*encoder, L.ContractivePenalty(0.1, "finite_difference")], decoder, (16, 16, 1)


@pytest.mark.filterwarnings("ignore:overcomplete")
@pytest.mark.parametrize("network", [dense, sparse_and_variational, convolutional, contractive_and_tied])
@pytest.mark.parametrize("optimizer", ["adam", "nadam"])
def test_twenty_warm_steps_allocate_nothing_of_size(network, optimizer):
    *parts, shape = network()
    model = mc.Autoencoder(*parts, shape)
    model.compile("bce" if model.leaves()[-1].slope[0] == "sigmoid" else "mse", optimizer)
    x = np.random.default_rng(0).random((150, *shape), np.float32)
    batches = Batches(Images(x, shape, model.dtype), None, 64, np.random.default_rng(0))

    def epoch():
        peaks = []
        for batch, target in batches:  # the last one is smaller
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            model.trainer.step(batch, target)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
        return peaks

    for _ in range(2):
        epoch()
    held = {id(array) for leaf in model.leaves() for array in leaf.saved.buffers.values()}
    tracemalloc.start()
    try:
        peaks = [peak for _ in range(7) for peak in epoch()]
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(peaks) == 21 and 0 < max(peaks) < LIMIT < 64 * np.prod(shape) * 4 / 3
    assert kept < LIMIT
    assert {id(array) for leaf in model.leaves() for array in leaf.saved.buffers.values()} == held


def test_warm_steps_touch_no_new_memory():
    """Memory that is taken and given back at each step shows as page faults, where tracemalloc sees only Python's."""
    resource = pytest.importorskip("resource", reason="page faults are counted on Unix only")
    encoder, decoder, shape = convolutional()
    model = mc.Autoencoder([L.Conv2D(32, 3, activation="relu"), L.Conv2D(1, 3), *encoder], decoder, shape)
    model.compile("mse", "adam")
    x = np.random.default_rng(0).random((64, *shape), np.float32)
    for _ in range(5):
        model.trainer.step(x, x)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        model.trainer.step(x, x)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 50  # not one a step

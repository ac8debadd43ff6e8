"""Small models and samples for the page, on the backend that needs no compiling."""

import numpy as np
import pytest

import minicae as mc

ZOO = {
    "plane": lambda: mc.zoo.variational(input_shape=(8, 8, 1), widths=(12,), code=2, backend="reference"),
    "convolutional": lambda: mc.zoo.convolutional((8, 8, 1), (4, 6), code=5, backend="reference"),
    "colour": lambda: mc.zoo.denoising(input_shape=(6, 6, 3), widths=(9,), code=3, backend="reference"),
    "two channels": lambda: mc.zoo.denoising(input_shape=(6, 6, 2), widths=(9,), code=3, backend="reference"),
    "vectors": lambda: mc.zoo.basic(backend="reference"),
    "one number": lambda: mc.zoo.stacked((3, 1), backend="reference"),
    "long vectors": lambda: mc.zoo.stacked((67, 3), backend="reference"),
    "conditional": lambda: mc.zoo.conditional_variational(
        input_shape=(8, 8, 1), classes=4, widths=(12,), code=2, backend="reference"
    ),
}


@pytest.fixture
def made():
    """made(name) -> (model, samples (40, ...) in 0..1, their classes): the weights are random, and large enough to bend."""

    def make(name):
        model = ZOO[name]()
        model.set_weights([1.5 * array for array in model.get_weights()])
        rng = np.random.default_rng(2)
        labels = rng.integers(0, 4, 40)
        x = rng.random((40, *model.output_shape)).astype(np.float32)
        return model, x, labels

    return make

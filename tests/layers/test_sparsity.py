"""What may stand in front of `KLSparsity`: codes in 0..1, and nothing that is known to leave them."""

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import SettingError

FIT = {
    "sigmoid": lambda: [L.Dense(4, "sigmoid")],
    "sigmoid of its own": lambda: [L.Dense(4), L.Sigmoid()],
    "by name": lambda: [L.Dense(4), L.Activation("sigmoid")],
    "softmax": lambda: [L.Dense(4), L.Softmax()],
    "noise between": lambda: [L.Dense(4, "sigmoid"), L.GaussianNoise(0.1), L.Dropout(0.1)],
    "penalty between": lambda: [L.Dense(4, "sigmoid"), L.L1Penalty()],
    "another of its kind": lambda: [L.Dense(4, "sigmoid"), L.KLSparsity()],
    "maps": lambda: [L.Reshape((2, 3, 1)), L.Conv2D(4, 3, activation="sigmoid"), L.MaxPooling2D(2), L.Flatten()],
    "transposed": lambda: [L.Reshape((2, 3, 1)), L.Conv2DTranspose(4, 3, activation="sigmoid"), L.ZeroPadding2D(1)],
    "in a part": lambda: [mc.Sequential([L.Dense(4, "sigmoid")]), mc.Sequential([L.Dropout(0.1)])],
    "data": lambda: [L.MaskingNoise(0.1)],
}
UNFIT = {
    "tanh": lambda: [L.Dense(4, "tanh")],
    "relu": lambda: [L.Dense(4, "relu")],
    "linear": lambda: [L.Dense(4, "sigmoid"), L.Dense(4)],
    "tanh of its own": lambda: [L.Dense(4, "sigmoid"), L.Tanh()],
    "noise between": lambda: [L.Dense(4, "relu"), L.GaussianNoise(0.1), L.Dropout(0.1)],
    "maps": lambda: [L.Reshape((2, 3, 1)), L.Conv2D(4, 3, activation="relu"), L.AveragePooling2D(2), L.Flatten()],
    "normalised": lambda: [L.Dense(4, "sigmoid"), L.BatchNormalization()],
    "sampled": lambda: [L.Dense(4, "sigmoid"), L.GaussianSampling()],
    "in a part": lambda: [mc.Sequential([L.Dense(4, "tanh")]), mc.Sequential([L.Dropout(0.1)])],
}


@pytest.mark.parametrize("front", FIT)
def test_codes_in_0_to_1_are_taken(front):
    model = mc.Sequential([*FIT[front](), L.KLSparsity()], 6, backend="reference")
    model.forward(np.full((3, 6), 0.5, np.float32), training=True)
    assert np.isfinite(model.penalty)


@pytest.mark.parametrize("front", UNFIT)
def test_codes_that_leave_0_to_1_are_refused(front):
    layer = L.KLSparsity()
    with pytest.raises(SettingError, match='in front of it leaves that range: give the layer activation="sigmoid"'):
        mc.Sequential([*UNFIT[front](), layer], 6)
    mc.Sequential([L.Dense(4, "sigmoid"), layer], 6)  # what it was told of another model is forgotten

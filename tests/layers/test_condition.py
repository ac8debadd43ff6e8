"""Labels on their way in: what `conditioned` writes, what `SplitLabels` takes off, what `AppendLabels` adds."""

import copy

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import DataError, SettingError, ShapeError


def test_labels_go_behind_the_last_column_or_channel():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    y = mc.conditioned(x, [2, 0, -1])
    assert y.tolist() == [[0, 1, 2], [2, 3, 0], [4, 5, -1]] and y.dtype == np.float32
    images = mc.conditioned(np.ones((2, 3, 4, 1)), np.array([5, 7], np.uint8))
    assert images.shape == (2, 3, 4, 2) and (images[..., 0] == 1).all()
    assert (images[0, ..., 1] == 5).all() and (images[1, ..., 1] == 7).all()


def test_labels_that_are_none():
    x = np.ones((3, 2))
    for labels in ([1, 2], [[1, 2, 3]], 1):
        with pytest.raises(ShapeError, match="one number a sample"):
            mc.conditioned(x, labels)
    for labels in ([0, 1, 0.5], [0, 1, -2], ["a", "b", "c"], [0, 1, np.nan]):
        with pytest.raises(DataError, match="whole numbers"):
            mc.conditioned(x, labels)


def test_one_hot_columns_and_maps(backend):
    name = backend.__name__.split(".")[-1]
    model = mc.Sequential([L.SplitLabels(), L.AppendLabels(3)], 3, dtype="float64", backend=name)
    y = model.predict(mc.conditioned(np.full((4, 2), 0.5), [0, 2, -1, 3]))  # the last two are no classes
    assert y.tolist() == [[0.5, 0.5, 1, 0, 0], [0.5, 0.5, 0, 0, 1], [0.5, 0.5, 0, 0, 0], [0.5, 0.5, 0, 0, 0]]
    model = mc.Sequential([L.SplitLabels(), L.AppendLabels(2)], (2, 3, 2), dtype="float64", backend=name)
    y = model.predict(mc.conditioned(np.full((2, 2, 3, 1), 0.5), [0, 1]))
    assert y.shape == (2, 2, 3, 3) and (y[0] == [0.5, 1, 0]).all() and (y[1] == [0.5, 0, 1]).all()


def test_no_samples_have_no_labels(backend):
    name = backend.__name__.split(".")[-1]
    model = mc.Sequential([L.SplitLabels(), L.AppendLabels(3)], (2, 3, 2), backend=name)
    assert model.layers[1].forward(np.empty((0, 2, 3, 1), np.float32)).shape == (0, 2, 3, 4)
    y = model.forward(np.empty((0, 2, 3, 2), np.float32))
    assert y.shape == (0, 2, 3, 4) and model.backward(y).shape == (0, 2, 3, 2)


def test_noise_behind_the_split_leaves_labels_alone():
    model = mc.Sequential([L.SplitLabels(), L.GaussianNoise(9.0), L.AppendLabels(4)], 3, backend="reference")
    labels = np.arange(40) % 4
    y = model.forward(mc.conditioned(np.zeros((40, 2), np.float32), labels), training=True)
    assert np.array_equal(y[:, 2:], np.eye(4)[labels]) and y[:, :2].std() > 5


def test_what_they_refuse():
    with pytest.raises(SettingError, match="needs SplitLabels in front"):
        mc.Sequential([L.AppendLabels(3)], 4)
    with pytest.raises(SettingError, match="classes"):
        L.AppendLabels(0)
    with pytest.raises(ShapeError, match="last channel of labels"):
        mc.Sequential([L.SplitLabels()], 1)
    parts = mc.Sequential([L.SplitLabels(), L.Dense(2)]), mc.Sequential([L.AppendLabels(3), L.Dense(4)])
    model = mc.Sequential(parts, 5)
    x = mc.conditioned(np.zeros((6, 4), np.float32), [0] * 6)
    assert model.predict(x).shape == (6, 4)
    with pytest.raises(ShapeError, match="2 samples and 6 labels"):
        model.run(parts[1], np.zeros((2, 2), np.float32))


@pytest.mark.parametrize("decoder", [[L.AppendLabels(3), L.Dense(4)], [L.Dense(2), L.AppendLabels(2)]])
def test_a_decoder_takes_no_labels_of_an_earlier_pass(decoder):
    with pytest.raises(SettingError, match="put it last in the encoder"):
        mc.Autoencoder([L.SplitLabels(), L.Dense(2)], copy.deepcopy(decoder), 5)

"""Samples from files of the reader's own: what is taken for classes, and what is said where it is none."""

import warnings

import numpy as np
import pytest

from minicae.datasets.arrays import load_arrays

X = np.random.default_rng(0).random((20, 3), np.float32)


def saved(path, **arrays):
    np.savez(path / "data.npz", **arrays)
    return path / "data.npz"


@pytest.mark.parametrize("shape", [(20,), (20, 1)])
def test_classes_go_with_their_samples(tmp_path, shape):
    y = np.arange(20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load_arrays(saved(tmp_path, x=X, y=y.reshape(shape)))
    assert np.array_equal(data.train, X[:18]) and np.array_equal(data.train_labels, y[:18])
    assert np.array_equal(data.test, X[18:]) and np.array_equal(data.labels, y[18:])


@pytest.mark.parametrize("shape", [(19,), (20, 2), ()])
def test_what_is_no_class_for_each_sample_is_left_out_aloud(tmp_path, shape):
    with pytest.warns(UserWarning, match="not one class for each of 20 samples: left out"):
        data = load_arrays(saved(tmp_path, x=X, y=np.zeros(shape)))
    assert data.labels is None and data.train_labels is None and len(data.train) == 18


def test_both_parts_of_a_split_of_ones_own(tmp_path):
    y = np.arange(20)
    data = load_arrays(saved(tmp_path, x_train=X[:5], x_test=X[5:], y_train=y[:5], y_test=y[5:]))
    assert np.array_equal(data.train_labels, y[:5]) and np.array_equal(data.labels, y[5:])

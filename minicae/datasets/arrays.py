"""Samples from the reader's own .npy and .npz files, whatever they are called in there and in whatever range.

A .npy file stays on disk and is read as it is needed. Nothing in a file is ever run: pickled objects are refused.
"""

import os
import warnings
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from minicae.errors import DatasetError


class Data(NamedTuple):
    """Samples (N, ...) to train and to test on, and the classes, where they are known, of the latter and of the former."""

    train: np.ndarray
    test: np.ndarray
    labels: np.ndarray | None = None
    train_labels: np.ndarray | None = None


def load_arrays(path: str | os.PathLike, split: bool = True) -> Data:
    """Images (N, H, W, C) or vectors (N, C) from a file; images (N, H, W) get their channel, bytes are scaled to 0..1.

    Parameters
    ----------
    path : a .npy file, or a .npz file with `x_train` and `x_test` (then its own split is kept), or with one of `x`,
        `x_train`, `arr_0`, or with one array only; `y`, `y_train`, `y_test` are taken for classes
    split : whether the last tenth of the samples, in file order, is for testing; False: all of them

    Raises DatasetError for a file that cannot be read, or that holds no such samples. Warns when it scales bytes.
    """
    arrays = _read(path)
    if "x_train" in arrays and "x_test" in arrays:
        train, test = (_samples(path, arrays[name]) for name in ("x_train", "x_test"))
        if train.shape[1:] != test.shape[1:]:
            raise DatasetError(f"{path}: x_train has samples of {train.shape[1:]}, x_test of {test.shape[1:]}")
        return Data(train, test, _labels(path, arrays.get("y_test"), test), _labels(path, arrays.get("y_train"), train))
    if not {"x", "x_train", "arr_0"} & arrays.keys() and len(arrays) > 1:
        raise DatasetError(f"{path} holds {', '.join(arrays)}: call the samples x, x_train or arr_0")
    name = next(name for name in ("x", "x_train", "arr_0", *arrays) if name in arrays)
    x = _samples(path, arrays[name])
    if split and len(x) < 2:
        raise DatasetError(f"{path} has one sample: one to train on and one to test on are needed")
    labels = _labels(path, arrays.get({"x": "y", "x_train": "y_train"}.get(name)), x)
    test = max(1, len(x) // 10) if split else len(x)
    return Data(x[:-test], x[-test:], *((None, None) if labels is None else (labels[-test:], labels[:-test])))


def _labels(path, y, x):
    """y (N,) or (N, 1) as one class for each sample of x; None where it is something else, which a warning says."""
    if y is None or y.shape in ((len(x),), (len(x), 1)):
        return None if y is None else y.reshape(len(x))
    warnings.warn(
        f"{path}: y has the shape {y.shape}, not one class for each of {len(x)} samples: left out", stacklevel=3
    )
    return None


def _read(path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file by name; the array of a .npy file, which stays on disk, as x."""
    try:
        held = np.load(path, mmap_mode="r", allow_pickle=False)
        arrays = {"x": held} if isinstance(held, np.ndarray) else dict(held)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not arrays:
        raise DatasetError(f"{path} is empty")
    return arrays


def _samples(path, x):
    """x as images (N, H, W, C) or vectors (N, C) of numbers, bytes scaled to 0..1."""
    if x.ndim not in (2, 3, 4) or not x.size or x.dtype.kind not in "fiub":
        wanted = "numbers of shape (N, H, W), (N, H, W, C) or (N, C) are needed"
        raise DatasetError(f"{path} has {x.dtype} of shape {x.shape}: {wanted}")
    if x.dtype == np.uint8:
        warnings.warn(f"{path} has bytes: scaled to 0..1 by 1/255", stacklevel=3)
        x = np.divide(x, np.float32(255), dtype=np.float32)
    return x[..., np.newaxis] if x.ndim == 3 else x

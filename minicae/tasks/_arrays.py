"""The checks that all tasks share: samples, labels, and models that have the verbs a task needs."""

import numpy as np

from minicae import conversion, ops
from minicae.errors import DataError, SettingError, ShapeError


def samples(x, name="x", least=1) -> np.ndarray:
    """x (N, ...) as a float array: finite, at least `least` samples; DataError or ShapeError otherwise."""
    x = ops.admit(x, name=name)
    if x.ndim < 2:
        raise ShapeError(f"{name} must be (N, ...), one row a sample, got the shape {x.shape}")
    if len(x) < least or not x.size:
        raise DataError(f"{name} is too small: at least {least} samples are needed, got the shape {x.shape}")
    finite = np.isfinite(x)
    if not finite.all():
        first = tuple(map(int, np.argwhere(~finite)[0]))
        raise DataError(f"{name} holds {np.count_nonzero(~finite)} values that are not finite, the first at {first}")
    return x


def rows(x, name="x", least=1) -> np.ndarray:
    """`samples` as vectors (N, D) float64, to be read only."""
    x = samples(x, name, least)
    return x.reshape(len(x), -1).astype(np.float64, copy=False)


def same_columns(one, other, name, other_name):
    """ShapeError where two arrays (N, D), (M, D) differ in D."""
    if one.shape[1] != other.shape[1]:
        raise ShapeError(
            f"{name} has {one.shape[1]} numbers a sample, {other_name} {other.shape[1]}: the same are wanted"
        )


def labels(y, count, name="labels", least=1, known=None) -> np.ndarray:
    """y (N,) as an array: one label for each of `count` samples, at least `least` classes.

    Where classes are `known`, DataError if the labels are of another kind (text, numbers) or all of other classes.
    """
    y = conversion.array(y, name)
    if y.shape != (count,):
        raise ShapeError(f"{name} must be ({count},), one a sample, got {y.shape}")
    if not count:
        raise DataError(f"{name} are empty")
    if y.dtype.kind not in "biuUS":
        raise DataError(f"{name} have dtype {y.dtype}: whole numbers, booleans or text are wanted")
    classes = np.unique(y)
    if len(classes) < least:
        raise DataError(f"{name} are all {classes[0]}: at least {least} classes are needed")
    if known is not None:
        kinds = [
            "text" if one.dtype.kind == "U" else "bytes" if one.dtype.kind == "S" else "numbers" for one in (y, known)
        ]
        if kinds[0] != kinds[1] or not np.isin(classes, known).any():
            raise DataError(
                f"{name} have no class of those fitted to: {kinds[0]} such as {classes[0]!s}, fitted to {kinds[1]} such as"
                f" {known[0]!s}"
            )
    return y


def unlabelled(model, x) -> np.ndarray:
    """x (N, ...) without the labels that a conditional model takes with it: what its decoder is to make of x."""
    strip = getattr(model, "without_labels", None)
    return x if strip is None else strip(x)


def needs(model, *verbs):
    """SettingError where the model lacks one of the methods."""
    for verb in verbs:
        if isinstance(model, (str, bytes)) or not callable(getattr(model, verb, None)):  # text has an encode of its own
            raise SettingError(f"the model must have {verb}(): give an Autoencoder, got {type(model).__name__}")

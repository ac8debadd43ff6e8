"""What the distances between codes are worth: does the class follow from the neighbours, are they the true neighbours?"""

import numpy as np

from minicae import shapes
from minicae.errors import SettingError, ShapeError
from minicae.tasks import _arrays

CHUNK = 512  # rows of a table of distances held at a time


def nearest(points, others, k=1, itself=False):
    """The k nearest of `others` (M, D) to each of `points` (N, D): squared distances (N, k), ascending, and indices (N, k).

    `itself` says that both are the same points, and that none is its own neighbour. SettingError for k above M.
    """
    points, others = _arrays.rows(points, "points"), _arrays.rows(others, "others")
    _arrays.same_columns(points, others, "points", "others")
    k, most = shapes.integer(k, "k"), len(others) - bool(itself)
    if k > most:
        raise SettingError(f"k must be at most {most}, the number of possible neighbours, got {k}")
    found = []
    for first, squares in _squares(points, others):
        if itself:
            squares[np.arange(len(squares)), first + np.arange(len(squares))] = np.inf
        index = np.argpartition(squares, k - 1, axis=1)[:, :k] if k < len(others) else np.argsort(squares, axis=1)
        index = np.take_along_axis(index, np.argsort(np.take_along_axis(squares, index, 1), axis=1, kind="stable"), 1)
        found.append((np.take_along_axis(squares, index, 1), index))
    return tuple(np.concatenate(one) for one in zip(*found))


def knn_accuracy(z_train, y_train, z_test, y_test, k=5) -> float:
    """Share of test samples whose k nearest training samples vote for the right class; the smaller class wins a tie.

    Parameters
    ----------
    z_train, z_test : (N, ...) and (M, ...) codes or images; distances are Euclidean
    y_train, y_test : (N,), (M,) classes
    k : neighbours that vote, at most N

    Raises ShapeError, DataError for labels of one class, test labels of none of the training classes or values that are not
    finite, SettingError for k above N.
    """
    z_train, z_test = _arrays.rows(z_train, "z_train"), _arrays.rows(z_test, "z_test")
    y_train = _arrays.labels(y_train, len(z_train), "y_train", 2)
    classes, place = np.unique(y_train, return_inverse=True)
    y_test = _arrays.labels(y_test, len(z_test), "y_test", known=classes)
    votes = place[nearest(z_test, z_train, k)[1]]
    counts = (votes[:, :, None] == np.arange(len(classes))).sum(1)
    return float(np.mean(classes[counts.argmax(1)] == y_test))


def trustworthiness(x, z, k=5) -> float:
    """Are neighbours in the code neighbours in the data? 1 where all are, about 0.5 for codes that know nothing.

        1 - 2 / (N k (2N - 3k - 1)) * sum over i, over j among the k nearest codes of i, of max(0, rank(i, j) - k)

    with rank(i, j) = 1 for the sample nearest to i in the data. Source: Venna and Kaski (2001).

    Parameters
    ----------
    x : (N, ...) data
    z : (N, ...) their codes
    k : neighbours, below N / 2
    """
    x, z = _arrays.rows(x), _arrays.rows(z, "z")
    if len(x) != len(z):
        raise ShapeError(f"x and z must have as many samples, got {len(x)} and {len(z)}")
    k, count = shapes.integer(k, "k"), len(x)
    if 2 * k >= count:
        raise SettingError(f"k must be below half the {count} samples, got {k}")
    _, index = nearest(z, z, k, itself=True)
    excess = 0
    for first, squares in _squares(x, x):
        own = np.arange(len(squares))
        squares[own, first + own] = -1.0  # rank 0
        ranks = np.empty(squares.shape, np.int64)
        np.put_along_axis(ranks, np.argsort(squares, axis=1, kind="stable"), np.arange(count)[None], 1)
        excess += np.maximum(np.take_along_axis(ranks, index[first + own], 1) - k, 0).sum()
    return float(1 - excess * 2 / (count * k * (2 * count - 3 * k - 1)))


def _squares(points, others):
    """(first row, squared distances of some rows to all others), chunk by chunk.

    Both are centred first: far from the origin, the three terms of a difference would cancel all its digits.
    """
    centre = others.mean(0)
    points, others = points - centre, others - centre
    lengths = np.square(others).sum(1)
    for first in range(0, len(points), CHUNK):
        part = points[first : first + CHUNK]
        squares = np.square(part).sum(1)[:, None] + lengths - 2 * (part @ others.T)
        yield first, np.maximum(squares, 0, out=squares)

"""Groups in a code, found without labels; `metrics.adjusted_rand_index` compares them with the classes."""

import numpy as np

from minicae import shapes
from minicae.errors import SettingError
from minicae.tasks import _arrays
from minicae.tasks.neighbours import nearest


def kmeans(codes, clusters, seed=0, restarts=4, iterations=100):
    """(labels (N,) int64, centres (clusters, d), cost): the partition with the least sum of squared distances found.

    Lloyd's two steps in turn (each code to its nearest centre, each centre to the mean of its codes) until nothing moves,
    from centres drawn with probabilities in proportion to the squared distance from those already drawn. A centre that
    loses all its codes takes the code farthest from its own. Source: Arthur and Vassilvitskii, "k-means++" (2007).

    Parameters
    ----------
    codes : (N, ...), flattened
    clusters : at most N
    seed : of the first centres
    restarts : runs, of which the cheapest is kept
    iterations : at most, of one run
    """
    codes = _arrays.rows(codes, "codes")
    clusters, restarts = shapes.integer(clusters, "clusters"), shapes.integer(restarts, "restarts")
    iterations = shapes.integer(iterations, "iterations")
    if clusters > len(codes):
        raise SettingError(f"clusters must be at most the {len(codes)} samples, got {clusters}")
    rng = np.random.default_rng(shapes.integer(seed, "seed", 0))
    runs = (_run(codes, _first_centres(codes, clusters, rng), iterations) for _ in range(restarts))
    return min(runs, key=lambda run: run[2])


def _first_centres(codes, clusters, rng):
    chosen = [int(rng.integers(len(codes)))]
    squares = np.square(codes - codes[chosen[0]]).sum(1)
    while len(chosen) < clusters:
        total = squares.sum()
        chosen.append(int(rng.choice(len(codes), p=squares / total if total else None)))
        squares = np.minimum(squares, np.square(codes - codes[chosen[-1]]).sum(1))
    return codes[chosen]


def _run(codes, centres, iterations):
    labels = None
    for _ in range(iterations):
        squares, index = nearest(codes, centres)
        squares, index = squares[:, 0], index[:, 0]
        if labels is not None and np.array_equal(labels, index):
            break
        labels, counts = index, np.bincount(index, minlength=len(centres))
        centres = np.eye(len(centres))[labels].T @ codes / np.maximum(counts, 1)[:, None]
        empty = np.flatnonzero(counts == 0)
        centres[empty] = codes[np.argsort(-squares, kind="stable")[: len(empty)]]
    squares, index = nearest(codes, centres)
    return index[:, 0], centres, float(squares.sum())

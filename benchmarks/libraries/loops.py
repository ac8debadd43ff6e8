"""The definitions in plain Python: what all the others are faster than."""

import numpy as np

from benchmarks.libraries import Task


def begin(threads):
    """Nothing to set."""


def conv2d_forward(problem):
    """Six loops around a sum, a seventh for the images."""
    x, w, b = problem.arrays().values()
    (N, H, W, C), F = x.shape, w.shape[-1]
    y = np.empty(problem.y_shape, np.float32)

    def run():
        for n in range(N):
            for i in range(H):
                for j in range(W):
                    for f in range(F):
                        total = b[f]
                        for p in range(max(0, 1 - i), min(3, H + 1 - i)):
                            for q in range(max(0, 1 - j), min(3, W + 1 - j)):
                                for c in range(C):
                                    total += x[n, i + p - 1, j + q - 1, c] * w[p, q, c, f]
                        y[n, i, j, f] = total
        return [y]

    return Task(run, run)

"""SciPy's correlation, called once for each image, channel and filter: it has no channels of its own."""

import numpy as np
from scipy.signal import correlate2d

from benchmarks.libraries import Task, Unavailable

MOST_CALLS = 5_000


def begin(threads):
    """It runs on one thread."""


def conv2d_forward(problem):
    """Sums of two-dimensional correlations."""
    calls = problem.N * problem.C * problem.F
    if calls > MOST_CALLS:
        raise Unavailable(f"would need {calls:,} calls of correlate2d")
    x, w, b = problem.arrays().values()
    y = np.empty(problem.y_shape, np.float32)

    def run():
        y[...] = b
        for n in range(problem.N):
            for f in range(problem.F):
                for c in range(problem.C):
                    y[n, :, :, f] += correlate2d(x[n, :, :, c], w[:, :, c, f], "same")
        return [y]

    return Task(run, run)

"""What a careful user writes with NumPy: products by its BLAS, a convolution as a matrix of patches."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.libraries import Task


def begin(threads):
    """The number of threads is in the environment."""


def gemm(problem):
    """np.matmul into memory that is there."""
    a, b = problem.arrays().values()
    y = np.empty((problem.M, problem.N), np.float32)

    def run():
        np.matmul(a, b, out=y)
        return [y]

    return Task(run, run)


def _patches(x):
    """(N * H * W, 9 C): the 3x3 neighbourhood of every pixel of x (N, H, W, C), zeros outside."""
    N, H, W, C = x.shape
    windows = sliding_window_view(np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), (1, 2))
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(N * H * W, 9 * C)


def conv2d_forward(problem):
    """Patches times filters."""
    x, w, b = problem.arrays().values()

    def run():
        return [(_patches(x) @ w.reshape(-1, problem.F) + b).reshape(problem.y_shape)]

    return Task(run, run)


def conv2d_backward_input(problem):
    """Gradients of all patches, added up where they came from."""
    dy, w = problem.arrays().values()
    N, H, W, C = problem.x_shape

    def run():
        columns = (dy.reshape(-1, problem.F) @ w.reshape(-1, problem.F).T).reshape(N, H, W, 3, 3, C)
        dx = np.zeros((N, H + 2, W + 2, C), np.float32)
        for p in range(3):
            for q in range(3):
                dx[:, p : p + H, q : q + W] += columns[:, :, :, p, q]
        return [dx[:, 1:-1, 1:-1]]

    return Task(run, run)


def conv2d_backward_weight(problem):
    """Patches, transposed, times dy."""
    x, dy = problem.arrays().values()
    flat = dy.reshape(-1, problem.F)

    def run():
        return [(_patches(x).T @ flat).reshape(problem.w_shape), flat.sum(0)]

    return Task(run, run)


def dense_forward(problem):
    """A product, a sum, a maximum."""
    x, w, b = problem.arrays().values()

    def run():
        return [np.maximum(x @ w + b, 0)]

    return Task(run, run)


def dense_backward(problem):
    """Two products and a sum."""
    x, w, dy = problem.arrays().values()

    def run():
        return [dy @ w.T, x.T @ dy, dy.sum(0)]

    return Task(run, run)


def maxpool2d_forward(problem):
    """The largest of four slices."""
    x = problem.arrays()["x"]

    def run():
        upper, lower = np.maximum(x[:, ::2, ::2], x[:, ::2, 1::2]), np.maximum(x[:, 1::2, ::2], x[:, 1::2, 1::2])
        return [np.maximum(upper, lower)]

    return Task(run, run)


def upsample_nearest_forward(problem):
    """np.repeat, twice."""
    x = problem.arrays()["x"]

    def run():
        return [x.repeat(2, 1).repeat(2, 2)]

    return Task(run, run)


def upsample_nearest_backward(problem):
    """Sums of 2x2 blocks."""
    dy = problem.arrays()["dy"]
    N, S, _, C = problem.small

    def run():
        return [dy.reshape(N, S, 2, S, 2, C).sum((2, 4))]

    return Task(run, run)


def relu_forward(problem):
    """np.maximum."""
    x = problem.arrays()["x"]
    y = np.empty_like(x)

    def run():
        return [np.maximum(x, 0, out=y)]

    return Task(run, run)

"""minicae's kernels, called as its layers call them: with memory that is there already."""

import itertools

import numpy as np

from benchmarks import networks
from benchmarks.libraries import Task
from benchmarks.passes import EPSILON
from benchmarks.problems import SAME
from minicae import kernels
from minicae.inspection.profile import profile as profile_of

_backend_name = "cpu"
_algorithm = "auto"  # of convolutions
_POOL = (2, 2), (2, 2), (0, 0, 0, 0)  # window, strides, padding


def begin(threads, backend="cpu", algorithm="auto"):
    """Choose the backend, and the algorithm of convolutions; the number of threads is in the environment."""
    global _backend_name, _algorithm
    _backend_name, _algorithm = backend, algorithm
    _backend()


def _backend():
    return kernels.backend(_backend_name)


def _task(outputs, kernel, *arguments, **settings):
    """A task that calls one kernel; `outputs` are the arrays that it writes."""

    def run():
        kernel(*arguments, **settings)
        return outputs

    return Task(run, run)


def gemm(problem):
    """A dense layer without bias and activation."""
    a, b = problem.arrays().values()
    y = np.empty((problem.M, problem.N), np.float32)
    return _task([y], _backend().dense_forward, a, b, None, y, "linear", 0.0)


def _convolution(problem, outputs, *arguments):
    sizes = problem.x_shape[1:], problem.w_shape, *SAME, np.dtype("float32")
    chosen = _backend().conv2d_algorithm(*sizes, _algorithm)
    task = _task(outputs, getattr(_backend(), problem.operation), *arguments, algorithm=chosen)
    return task._replace(label=f"minicae ({chosen})" if _algorithm == "auto" else "")


def conv2d_forward(problem):
    """As in a layer."""
    x, w, b = problem.arrays().values()
    y = np.empty(problem.y_shape, np.float32)
    return _convolution(problem, [y], x, w, b, y, *SAME, "linear", 0.0)


def conv2d_backward_input(problem):
    """As in a layer."""
    dy, w = problem.arrays().values()
    dx = np.empty(problem.x_shape, np.float32)
    return _convolution(problem, [dx], dy, w, dx, *SAME)


def conv2d_backward_weight(problem):
    """As in a layer."""
    x, dy = problem.arrays().values()
    dw, db = np.empty(problem.w_shape, np.float32), np.empty(problem.F, np.float32)
    return _convolution(problem, [dw, db], x, dy, dw, db, *SAME)


def dense_forward(problem):
    """As in a layer."""
    x, w, b = problem.arrays().values()
    y = np.empty((problem.N, problem.F), np.float32)
    return _task([y], _backend().dense_forward, x, w, b, y, "relu", 0.0)


def dense_backward(problem):
    """The two kernels of a layer's way back."""
    x, w, dy = problem.arrays().values()
    dx, dw, db = np.empty_like(x), np.empty_like(w), np.empty(problem.F, np.float32)

    def run():
        _backend().dense_backward_weight(x, dy, dw, db)
        _backend().dense_backward_input(dy, w, dx)
        return [dx, dw, db]

    return Task(run, run)


def maxpool2d_forward(problem):
    """As in a layer."""
    x, dy = problem.arrays().values()
    y, argmax = np.empty_like(dy), np.empty(dy.shape, np.uint8)
    return _task([y], _backend().maxpool2d_forward, x, y, argmax, *_POOL)


def maxpool2d_backward(problem):
    """As in a layer."""
    x, dy = problem.arrays().values()
    y, argmax, dx = np.empty_like(dy), np.empty(dy.shape, np.uint8), np.empty_like(x)
    _backend().maxpool2d_forward(x, y, argmax, *_POOL)
    return _task([dx], _backend().maxpool2d_backward, dy, argmax, dx, *_POOL)


def _upsampling(name, problem, how):
    x, dy = problem.arrays().values()
    read, written = (x, np.empty_like(dy)) if name.endswith("forward") else (dy, np.empty_like(x))
    return _task([written], getattr(_backend(), name), read, written, how)


def upsample_nearest_forward(problem):
    """As in a layer."""
    return _upsampling("upsample_nearest_forward", problem, (2, 2))


def upsample_nearest_backward(problem):
    """As in a layer."""
    return _upsampling("upsample_nearest_backward", problem, (2, 2))


def upsample_bilinear_forward(problem):
    """As in a layer."""
    return _upsampling("upsample_bilinear_forward", problem, False)


def upsample_bilinear_backward(problem):
    """As in a layer."""
    return _upsampling("upsample_bilinear_backward", problem, False)


def relu_forward(problem):
    """As in a layer."""
    x, y = problem.arrays()["x"], np.empty(problem.shape, np.float32)
    return _task([y], _backend().activation_forward, x, y, "relu", 0.0)


def relu_backward(problem):
    """As in a layer."""
    y, dy = problem.arrays().values()
    dx = np.empty_like(y)
    return _task([dx], _backend().activation_backward, dy, y, dx, "relu", 0.0)


def batchnorm_forward(problem):
    """Statistics of the batch, then normalisation."""
    x, _, gamma, beta = problem.arrays().values()
    y, mean, variance = np.empty_like(x), np.empty_like(gamma), np.empty_like(gamma)

    def run():
        _backend().batchnorm_statistics(x, mean, variance)
        _backend().batchnorm_forward(x, mean, variance, gamma, beta, y, EPSILON)
        return [y]

    return Task(run, run)


def batchnorm_backward(problem):
    """As in a layer."""
    x, dy, gamma, _ = problem.arrays().values()
    mean, variance, dgamma, dbeta = (np.empty_like(gamma) for _ in range(4))
    dx = np.empty_like(x)
    _backend().batchnorm_statistics(x, mean, variance)
    kernel = _backend().batchnorm_backward
    return _task([dx], kernel, x, dy, mean, variance, gamma, dx, dgamma, dbeta, EPSILON, True)


def bce_logits(problem):
    """The value and the gradient."""
    y, target = problem.arrays().values()
    costs, dy = np.empty(problem.N), np.empty_like(y)

    def run():
        _backend().bce_logits_forward(y, target, costs)
        _backend().bce_logits_backward(y, target, dy, 1 / y.size)
        return [costs.sum() / y.size, dy]

    return Task(run, run)


def adam(problem):
    """One update after the other."""
    values, gradients = (array.reshape(-1) for array in problem.arrays().values())
    m, v, steps = np.zeros_like(values), np.zeros_like(values), [0]

    def run():
        steps[0] += 1
        _backend().adam_step(values, gradients, m, v, 0.001, 0.9, 0.999, 1e-8, 0.0, steps[0])
        return [values.reshape(problem.shape)]

    return Task(run, run)


def step(problem):
    """`Trainer.step`, on one batch after the other."""
    model, batches = _trained(problem)
    turn = itertools.cycle(batches)

    def run():
        x = next(turn)
        return model.trainer.step(x, x)

    def result():
        loss, _ = run()
        return [np.float64(loss), *model.get_gradients()]

    return Task(run, result)


def forward(problem):
    """The forward pass of inference."""
    model, batches = _trained(problem)
    return Task(lambda: model.forward(batches[0]), lambda: [model.kernels.download(model.forward(batches[0]))])


def _trained(problem):
    model = networks.make(problem.network, _backend_name)
    return model, networks.batches(problem.images, problem.network, problem.batch)


def epoch(problem):
    """`fit` over a memory map."""
    model = networks.make(problem.network, _backend_name)
    x = np.load(problem.images, mmap_mode="r")[: problem.count]

    def run():
        return model.fit(x, epochs=1, batch_size=problem.batch, verbose=0).history["loss"]

    return Task(run, run)


def profile(problem, steps):
    """The `Profile` of a training step."""
    batches = networks.batches(problem.images, problem.network, problem.batch)
    return profile_of(networks.make(problem.network, _backend_name), batches[0], steps)

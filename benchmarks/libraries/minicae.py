"""minicae's kernels, called as its layers call them: with memory that is there already, the device's for `cuda`."""

import itertools

import numpy as np

from benchmarks import networks
from benchmarks.libraries import Task, Unavailable, stopped
from benchmarks.passes import EPSILON
from benchmarks.problems import SAME
from minicae import kernels
from minicae.errors import BackendError
from minicae.inspection.profile import profile as profile_of

_backend_name = "cpu"
_algorithm = "auto"  # of convolutions
_POOL = (2, 2), (2, 2), (0, 0, 0, 0)  # window, strides, padding


def begin(threads, backend="cpu", algorithm="auto"):
    """Choose the backend, and the algorithm of convolutions; the number of threads is in the environment."""
    global _backend_name, _algorithm
    _backend_name, _algorithm = backend, algorithm
    try:
        _backend()
    except BackendError as error:
        raise Unavailable(str(error)) from None


def _backend():
    return kernels.backend(_backend_name)


def clock(task):
    """What gives the milliseconds of a task, by the device's clock where the backend has a device."""
    if _backend_name == "cuda":
        from minicae.kernels.cuda.peak import clock as by_events

        return by_events(task.run, task.together)
    return lambda: stopped(task.run)


def _operands(problem):
    """The arrays of a problem, where the backend's kernels want them."""
    return list(map(_uploaded, problem.arrays().values()))


def _uploaded(array):
    copy = _empty(array.shape, array.dtype)
    _backend().upload(array, copy)
    return copy


def _empty(shape, dtype=np.float32):
    return _backend().empty(shape, np.dtype(dtype))


def _made(run):
    """A task of `run`, which gives the arrays that it writes."""
    return Task(run, lambda: list(map(_backend().download, run())), together=True)


def _task(outputs, kernel, *arguments, **settings):
    """A task that calls one kernel; `outputs` are the arrays that it writes."""

    def run():
        kernel(*arguments, **settings)
        return outputs

    return _made(run)


def gemm(problem):
    """A dense layer without bias and activation."""
    a, b = _operands(problem)
    y = _empty((problem.M, problem.N))
    return _task([y], _backend().dense_forward, a, b, None, y, "linear", 0.0)


def _convolution(problem, outputs, *arguments):
    sizes = problem.x_shape[1:], problem.w_shape, *SAME, np.dtype("float32")
    chosen = _backend().conv2d_algorithm(*sizes, _algorithm)
    task = _task(outputs, getattr(_backend(), problem.operation), *arguments, algorithm=chosen)
    return task._replace(label=f"minicae ({chosen})" if _algorithm == "auto" else "")


def conv2d_forward(problem):
    """As in a layer."""
    x, w, b = _operands(problem)
    y = _empty(problem.y_shape)
    return _convolution(problem, [y], x, w, b, y, *SAME, "linear", 0.0)


def conv2d_backward_input(problem):
    """As in a layer."""
    dy, w = _operands(problem)
    dx = _empty(problem.x_shape)
    return _convolution(problem, [dx], dy, w, dx, *SAME)


def conv2d_backward_weight(problem):
    """As in a layer."""
    x, dy = _operands(problem)
    dw, db = _empty(problem.w_shape), _empty(problem.F)
    return _convolution(problem, [dw, db], x, dy, dw, db, *SAME)


def dense_forward(problem):
    """As in a layer."""
    x, w, b = _operands(problem)
    y = _empty((problem.N, problem.F))
    return _task([y], _backend().dense_forward, x, w, b, y, "relu", 0.0)


def dense_backward(problem):
    """The two kernels of a layer's way back."""
    x, w, dy = _operands(problem)
    dx, dw, db = _empty(x.shape), _empty(w.shape), _empty(problem.F)

    def run():
        _backend().dense_backward_weight(x, dy, dw, db)
        _backend().dense_backward_input(dy, w, dx)
        return [dx, dw, db]

    return _made(run)


def maxpool2d_forward(problem):
    """As in a layer."""
    x, dy = _operands(problem)
    y, argmax = _empty(dy.shape), _empty(dy.shape, np.uint8)
    return _task([y], _backend().maxpool2d_forward, x, y, argmax, *_POOL)


def maxpool2d_backward(problem):
    """As in a layer."""
    x, dy = _operands(problem)
    y, argmax, dx = _empty(dy.shape), _empty(dy.shape, np.uint8), _empty(x.shape)
    _backend().maxpool2d_forward(x, y, argmax, *_POOL)
    return _task([dx], _backend().maxpool2d_backward, dy, argmax, dx, *_POOL)


def _upsampling(name, problem, how):
    x, dy = _operands(problem)
    read, written = (x, _empty(dy.shape)) if name.endswith("forward") else (dy, _empty(x.shape))
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
    x, y = _operands(problem)[0], _empty(problem.shape)
    return _task([y], _backend().activation_forward, x, y, "relu", 0.0)


def relu_backward(problem):
    """As in a layer."""
    y, dy = _operands(problem)
    dx = _empty(y.shape)
    return _task([dx], _backend().activation_backward, dy, y, dx, "relu", 0.0)


def batchnorm_forward(problem):
    """Statistics of the batch, then normalisation."""
    x, _, gamma, beta = _operands(problem)
    y, mean, variance = _empty(x.shape), _empty(gamma.shape), _empty(gamma.shape)

    def run():
        _backend().batchnorm_statistics(x, mean, variance)
        _backend().batchnorm_forward(x, mean, variance, gamma, beta, y, EPSILON)
        return [y]

    return _made(run)


def batchnorm_backward(problem):
    """As in a layer."""
    x, dy, gamma, _ = _operands(problem)
    mean, variance, dgamma, dbeta = (_empty(gamma.shape) for _ in range(4))
    dx = _empty(x.shape)
    _backend().batchnorm_statistics(x, mean, variance)
    kernel = _backend().batchnorm_backward
    return _task([dx], kernel, x, dy, mean, variance, gamma, dx, dgamma, dbeta, EPSILON, True)


def bce_logits(problem):
    """The value and the gradient."""
    y, target = _operands(problem)
    costs, dy = _empty(problem.N, np.float64), _empty(y.shape)

    def run():
        _backend().bce_logits_forward(y, target, costs)
        _backend().bce_logits_backward(y, target, dy, 1 / y.size)
        return [costs, dy]

    def result():
        costs, dy = map(_backend().download, run())
        return [costs.sum() / y.size, dy]

    return Task(run, result, together=True)


def adam(problem):
    """One update after the other."""
    values, gradients = (array.reshape(array.size) for array in _operands(problem))
    zeros = np.zeros(values.size, np.float32)
    m, v, steps = _uploaded(zeros), _uploaded(zeros), [0]

    def run():
        steps[0] += 1
        _backend().adam_step(values, gradients, m, v, 0.001, 0.9, 0.999, 1e-8, 0.0, steps[0])
        return [values.reshape(problem.shape)]

    return _made(run)


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

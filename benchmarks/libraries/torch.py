"""PyTorch, as users run it (images as N, C, H, W; eager), with channels last, or compiled; on a GPU too, there in float32."""

import itertools
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks import networks
from benchmarks.libraries import Task, _torch_gpu, stopped
from benchmarks.passes import EPSILON

aten = torch.ops.aten
_format = torch.contiguous_format
_compiled = _graph = False
_device = "cpu"
TRIALS = 5  # steps by which a compiled model chooses its memory format
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "linear": nn.Identity}


def begin(threads, channels_last=False, compiled=False, device="cpu", graph=False):
    """Set the number of threads, the memory format, whether models are compiled, where, and whether a step is a graph."""
    global _format, _compiled, _device, _graph
    if device == "cuda":
        _torch_gpu.begin()
    torch.set_num_threads(threads)
    _format = torch.channels_last if channels_last else torch.contiguous_format
    _compiled, _device, _graph = compiled, device, graph


def clock(task):
    """What gives the milliseconds of a task, by events where there is a GPU."""
    return lambda: _torch_gpu.milliseconds(task) if _device == "cuda" else stopped(task.run)


def _tensor(array):
    return torch.from_numpy(array).to(_device)


def _image(array, memory_format=None):
    """(N, H, W, C) as a tensor (N, C, H, W)."""
    return _turned(_tensor(array), memory_format or _format)


def _turned(tensor, memory_format):
    return tensor.permute(0, 3, 1, 2).contiguous(memory_format=memory_format)


def _filters(w):
    """(KH, KW, C, F) as (F, C, KH, KW)."""
    return _tensor(w).permute(3, 2, 0, 1).contiguous(memory_format=_format)


def _array(tensor):
    """A tensor in minicae's layout."""
    tensor = tensor.detach()
    return (tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor).contiguous().cpu().numpy()


def _task(run, back=_array):
    return Task(run, lambda: [back(tensor) for tensor in run()], together=True)


def gemm(problem):
    """torch.mm into memory that is there."""
    a, b = map(_tensor, problem.arrays().values())
    y = torch.empty(problem.M, problem.N, device=_device)
    return _task(lambda: [torch.mm(a, b, out=y)])


def conv2d_forward(problem):
    """functional.conv2d."""
    x, w, b = problem.arrays().values()
    x, w, b = _image(x), _filters(w), _tensor(b)
    return _task(lambda: [functional.conv2d(x, w, b, padding=1)])


def _backward(x, dy, w, problem, mask):
    pair = [1, 1]
    return aten.convolution_backward(dy, x, w, [problem.F], pair, pair, pair, False, [0, 0], 1, mask)


def conv2d_backward_input(problem):
    """What autograd calls, for the input alone."""
    dy, w = problem.arrays().values()
    x, dy, w = _image(np.zeros(problem.x_shape, np.float32)), _image(dy), _filters(w)
    return _task(lambda: [_backward(x, dy, w, problem, [True, False, False])[0]])


def conv2d_backward_weight(problem):
    """What autograd calls, for weights and bias alone."""
    x, dy = map(_image, problem.arrays().values())
    w = _filters(np.zeros(problem.w_shape, np.float32))

    def run():
        return _backward(x, dy, w, problem, [False, True, True])[1:]

    return Task(run, lambda: _gradients(run()), together=True)


def _gradients(tensors):
    """Gradients of weights and biases in minicae's layout."""
    orders = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
    return [tensor.detach().permute(orders[tensor.ndim]).cpu().numpy() for tensor in tensors]


def dense_forward(problem):
    """functional.linear and relu."""
    x, w, b = map(_tensor, problem.arrays().values())
    w = w.T.contiguous()
    return _task(lambda: [torch.relu(functional.linear(x, w, b))])


def dense_backward(problem):
    """Two products and a sum."""
    x, w, dy = map(_tensor, problem.arrays().values())
    w = w.T.contiguous()
    return _task(lambda: [dy.mm(w), dy.T.mm(x).T, dy.sum(0)])


def maxpool2d_forward(problem):
    """With the places of the maxima, as in training."""
    x = _image(problem.arrays()["x"])
    return _task(lambda: [aten.max_pool2d_with_indices(x, [2, 2], [2, 2])[0]])


def maxpool2d_backward(problem):
    """What autograd calls."""
    x, dy = map(_image, problem.arrays().values())
    argmax = aten.max_pool2d_with_indices(x, [2, 2], [2, 2])[1]
    how = [2, 2], [2, 2], [0, 0], [1, 1], False
    return _task(lambda: [aten.max_pool2d_with_indices_backward(dy, x, *how, argmax)])


def upsample_nearest_forward(problem):
    """functional.interpolate."""
    x = _image(problem.arrays()["x"])
    return _task(lambda: [functional.interpolate(x, scale_factor=2)])


def upsample_nearest_backward(problem):
    """What autograd calls."""
    dy, large = _image(problem.arrays()["dy"]), [2 * problem.S] * 2
    small = [problem.N, problem.C, problem.S, problem.S]
    return _task(lambda: [aten.upsample_nearest2d_backward(dy, large, small, 2.0, 2.0)])


def upsample_bilinear_forward(problem):
    """functional.interpolate."""
    x = _image(problem.arrays()["x"])
    return _task(lambda: [functional.interpolate(x, scale_factor=2, mode="bilinear")])


def upsample_bilinear_backward(problem):
    """What autograd calls."""
    dy, large = _image(problem.arrays()["dy"]), [2 * problem.S] * 2
    small = [problem.N, problem.C, problem.S, problem.S]
    return _task(lambda: [aten.upsample_bilinear2d_backward(dy, large, small, False, 2.0, 2.0)])


def relu_forward(problem):
    """torch.relu."""
    x = _image(problem.arrays()["x"])
    return _task(lambda: [torch.relu(x)])


def relu_backward(problem):
    """What autograd calls."""
    y, dy = map(_image, problem.arrays().values())
    return _task(lambda: [aten.threshold_backward(dy, y, 0)])


def _batchnorm(problem):
    x, dy, gamma, beta = problem.arrays().values()
    x, dy, gamma, beta = _image(x), _image(dy), _tensor(gamma), _tensor(beta)
    return x, dy, gamma, lambda: aten.native_batch_norm(x, gamma, beta, None, None, True, 0.1, EPSILON)


def batchnorm_forward(problem):
    """What functional.batch_norm calls in training."""
    *_, run = _batchnorm(problem)
    return _task(lambda: run()[:1])


def batchnorm_backward(problem):
    """What autograd calls."""
    x, dy, gamma, run = _batchnorm(problem)
    _, mean, inverse = run()
    how = None, None, mean, inverse, True, EPSILON, [True, True, True]
    return _task(lambda: aten.native_batch_norm_backward(dy, x, gamma, *how)[:1])


def bce_logits(problem):
    """The value and, by autograd, the gradient."""
    y, target = map(_image, problem.arrays().values())
    y.requires_grad_(True)

    def run():
        loss = functional.binary_cross_entropy_with_logits(y, target)
        return [loss, *torch.autograd.grad(loss, [y])]

    return _task(run)


def adam(problem):
    """torch.optim.Adam, fused."""
    values, gradients = map(_tensor, problem.arrays().values())
    values.grad = gradients
    optimizer = torch.optim.Adam([values], fused=True)

    def run():
        optimizer.step()
        return [values]

    return _task(run, lambda tensor: tensor.cpu().numpy())


class _Network(nn.Module):
    """The layers of a model of minicae, with its weights; the last sigmoid is left to the loss."""

    def __init__(self, model):
        super().__init__()
        parts, weights = [], iter(model.get_weights())
        for kind, activation in networks.layers(model):
            if kind == "pooling":
                parts.append(nn.MaxPool2d(2))
            elif kind == "upsampling":
                parts.append(nn.Upsample(scale_factor=2))
            else:
                w, b = (_tensor(next(weights)) for _ in range(2))
                if kind == "convolution":
                    part, w = nn.Conv2d(w.shape[2], w.shape[3], 3, padding=1), w.permute(3, 2, 0, 1)
                else:
                    part, w = nn.Linear(*w.shape), w.T
                part.weight, part.bias = nn.Parameter(w.contiguous()), nn.Parameter(b)
                parts += [part, ACTIVATIONS[activation]()]
        self.from_logits = isinstance(parts[-1], nn.Sigmoid)
        self.layers = nn.Sequential(*(parts[:-1] if self.from_logits else parts))
        self.learning_rate = model.optimizer.learning_rate

    def forward(self, x):
        return self.layers(x)

    def loss(self, y, target):
        compare = functional.binary_cross_entropy_with_logits if self.from_logits else functional.mse_loss
        return compare(y, target)


def step(problem):
    """zero_grad, forward, loss, backward, Adam."""
    return _fastest(_step, problem)


def forward(problem):
    """The forward pass without gradients."""
    return _fastest(_forward, problem)


def _fastest(make, problem):
    """The task; compiled, that of the faster memory format, which its label names."""
    if not _compiled:
        return make(problem, _format)
    tasks = {}
    for name, memory_format in (("N, C, H, W", torch.contiguous_format), ("channels_last", torch.channels_last)):
        torch.compiler.reset()
        task = make(problem, memory_format)
        task.run()
        start = time.perf_counter()
        for _ in range(TRIALS):
            task.run()
        tasks[time.perf_counter() - start] = make(problem, memory_format), name
        if len(networks.make(problem.network).input_shape) != 3:
            break
    task, name = tasks[min(tasks)]
    return task._replace(label=f"PyTorch compile ({name})" if len(tasks) > 1 else "")


def _network(problem, memory_format):
    network = _Network(networks.make(problem.network)).to(memory_format=memory_format)
    batches = networks.batches(problem.images, problem.network, problem.batch)
    if batches.ndim == 5:
        batches = [_turned(torch.from_numpy(batch), memory_format) for batch in batches]
    else:
        batches = list(map(torch.from_numpy, batches))
    return network, torch.compile(network) if _compiled else network, batches


def _step(problem, memory_format):
    network, callable_network, batches = _network(problem, memory_format)
    optimizer = torch.optim.Adam(network.parameters(), lr=network.learning_rate, capturable=_graph)
    turn = itertools.cycle(batches)

    def update(x):
        loss = network.loss(callable_network(x), x)
        loss.backward()
        optimizer.step()
        return loss

    if _graph:
        advance = _torch_gpu.graphed(update, network, optimizer, batches[0].to(_device, copy=True))
    else:

        def advance(x):
            optimizer.zero_grad()
            return update(x.to(_device))

    def run():
        return advance(next(turn)).item()

    return Task(run, lambda: [np.float64(run()), *_gradients([w.grad for w in network.parameters()])])


def _forward(problem, memory_format):
    network, callable_network, batches = _network(problem, memory_format)

    def run():
        with torch.inference_mode():
            y = callable_network(batches[0].to(_device))
            return torch.sigmoid(y) if network.from_logits else y

    return Task(run, lambda: [_array(run())])

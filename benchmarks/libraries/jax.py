"""JAX on the processor, every operation compiled by `jit`, images as N, H, W, C."""

import itertools

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from benchmarks import networks
from benchmarks.libraries import Task

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid, "linear": lambda x: x}


def begin(threads):
    """JAX takes the cores that its process may run on."""
    jax.config.update("jax_platforms", "cpu")


def _convolve(x, w):
    return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _task(function, *arguments):
    """A task that runs a compiled function of arrays, which gives a list of arrays."""
    function, arguments = jax.jit(function), jax.tree.map(jnp.asarray, arguments)

    def run():
        return jax.block_until_ready(function(*arguments))

    return Task(run, lambda: [np.asarray(one) for one in run()])


def gemm(problem):
    """A product."""
    return _task(lambda a, b: [a @ b], *problem.arrays().values())


def conv2d_forward(problem):
    """A convolution and its bias."""
    return _task(lambda x, w, b: [_convolve(x, w) + b], *problem.arrays().values())


def conv2d_backward_input(problem):
    """The transpose, as autodiff derives it."""
    x = jnp.zeros(problem.x_shape)
    return _task(lambda dy, w: jax.vjp(lambda x: _convolve(x, w), x)[1](dy), *problem.arrays().values())


def conv2d_backward_weight(problem):
    """The transpose, as autodiff derives it."""
    w, b = jnp.zeros(problem.w_shape), jnp.zeros(problem.F)
    return _task(lambda x, dy: jax.vjp(lambda w, b: _convolve(x, w) + b, w, b)[1](dy), *problem.arrays().values())


def dense_forward(problem):
    """A product, a sum, relu."""
    return _task(lambda x, w, b: [jax.nn.relu(x @ w + b)], *problem.arrays().values())


def dense_backward(problem):
    """Two products and a sum."""
    return _task(lambda x, w, dy: [dy @ w.T, x.T @ dy, dy.sum(0)], *problem.arrays().values())


def _logits(plan, weights, x):
    """The network's output before its last sigmoid, where it ends in one."""
    weights = iter(weights)
    for place, (kind, activation) in enumerate(plan):
        if kind == "pooling":
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        elif kind == "upsampling":
            x = jnp.repeat(jnp.repeat(x, 2, 1), 2, 2)
        else:
            w, b = next(weights), next(weights)
            x = (x.reshape(len(x), -1) @ w if kind == "dense" else _convolve(x, w)) + b
            if activation != "sigmoid" or place < len(plan) - 1:
                x = ACTIVATIONS[activation](x)
    return x


def _network(problem):
    """(plan, weights, batches, learning rate) of a model of minicae."""
    model = networks.make(problem.network)
    plan = networks.layers(model)
    batches = networks.batches(problem.images, problem.network, problem.batch)
    return (
        plan,
        list(map(jnp.asarray, model.get_weights())),
        list(map(jnp.asarray, batches)),
        model.optimizer.learning_rate,
    )


def step(problem):
    """Value, gradients and Adam, compiled as one."""
    plan, weights, batches, rate = _network(problem)

    def loss_of(weights, x):
        y = _logits(plan, weights, x)
        if plan[-1][1] == "sigmoid":
            return jnp.mean(jax.nn.softplus(y) - x * y)
        return jnp.mean((y - x) ** 2)

    def move(weights, m, v, count, x):
        loss, gradients = jax.value_and_grad(loss_of)(weights, x)
        m = [0.9 * one + 0.1 * g for one, g in zip(m, gradients)]
        v = [0.999 * one + 0.001 * g * g for one, g in zip(v, gradients)]
        scale, root = rate / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
        weights = [w - scale * a / (jnp.sqrt(b) / root + 1e-8) for w, a, b in zip(weights, m, v)]
        return loss, weights, m, v

    compiled = jax.jit(move, donate_argnums=(0, 1, 2))
    state = [list(map(jnp.array, weights)), *([jnp.zeros_like(w) for w in weights] for _ in range(2))]
    turn, count = itertools.cycle(batches), itertools.count(1)

    def run():
        loss, *state[:] = compiled(*state, jnp.float32(next(count)), next(turn))
        jax.block_until_ready(state)
        return float(loss)

    def result():
        loss, gradients = jax.jit(jax.value_and_grad(loss_of))(weights, batches[0])
        return [np.float64(loss), *map(np.asarray, gradients)]

    return Task(run, result)


def forward(problem):
    """The forward pass of inference."""
    plan, weights, batches, _ = _network(problem)
    activation = ACTIVATIONS[plan[-1][1]] if plan[-1][1] == "sigmoid" else ACTIVATIONS["linear"]
    return _task(lambda weights, x: [activation(_logits(plan, weights, x))], weights, batches[0])

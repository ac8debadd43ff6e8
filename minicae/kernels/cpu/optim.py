"""Optimizers: one pass over the flat vector of parameters, all the arithmetic of one number done while it is at hand."""

import math

from numba import prange

from minicae.kernels.cpu._jit import entry
from minicae.kernels.cpu._scratch import empty


def sgd_step(values, gradients, velocity, learning_rate, momentum, nesterov):
    """As `reference.optim.sgd_step`."""
    kind = values.dtype.type
    velocity = empty(values.dtype) if velocity is None else velocity
    _sgd(2 * values.size, values, gradients, velocity, kind(learning_rate), kind(momentum), nesterov)


def rmsprop_step(values, gradients, mean_square, learning_rate, rho, epsilon):
    """As `reference.optim.rmsprop_step`."""
    kind = values.dtype.type
    _rmsprop(
        4 * values.size, values, gradients, mean_square, kind(learning_rate), kind(rho), kind(1 - rho), kind(epsilon)
    )


def adam_step(values, gradients, m, v, learning_rate, beta_1, beta_2, epsilon, weight_decay, step):
    """As `reference.optim.adam_step`."""
    kind = values.dtype.type
    rate = kind(learning_rate / (1 - beta_1**step))
    root = kind(1 / math.sqrt(1 - beta_2**step))
    keep = kind(1 - learning_rate * weight_decay)
    _adam(
        6 * values.size, values, gradients, m, v, rate, rate * 0, kind(beta_1), kind(1 - beta_1), kind(beta_2),
        kind(1 - beta_2), root, kind(epsilon), keep,
    )  # fmt: skip


def nadam_step(values, gradients, m, v, learning_rate, beta_1, beta_2, epsilon, step, mu, mu_next, mu_product):
    """As `reference.optim.nadam_step`."""
    kind = values.dtype.type
    rate = kind(learning_rate * mu_next / (1 - mu_product * mu_next))
    rate_now = kind(learning_rate * (1 - mu) / (1 - mu_product))
    root = kind(1 / math.sqrt(1 - beta_2**step))
    _adam(
        6 * values.size, values, gradients, m, v, rate, rate_now, kind(beta_1), kind(1 - beta_1), kind(beta_2),
        kind(1 - beta_2), root, kind(epsilon), kind(1),
    )  # fmt: skip


@entry
def _sgd(values, gradients, velocity, learning_rate, momentum, nesterov):
    for i in prange(values.size):
        move = -learning_rate * gradients[i]
        if velocity.size:
            velocity[i] = momentum * velocity[i] + move
            move = momentum * velocity[i] + move if nesterov else velocity[i]
        values[i] += move


@entry
def _rmsprop(values, gradients, mean_square, learning_rate, rho, fresh, epsilon):
    for i in prange(values.size):
        mean_square[i] = rho * mean_square[i] + fresh * gradients[i] * gradients[i]
        values[i] -= learning_rate * gradients[i] / (math.sqrt(mean_square[i]) + epsilon)


@entry
def _adam(values, gradients, m, v, rate, rate_now, beta_1, fresh_1, beta_2, fresh_2, root, epsilon, keep):
    """Adam, with `rate_now` on the gradient itself (Nadam) and `keep` for what weight decay leaves of the values."""
    for i in prange(values.size):
        g = gradients[i]
        m[i] = beta_1 * m[i] + fresh_1 * g
        v[i] = beta_2 * v[i] + fresh_2 * g * g
        values[i] = values[i] * keep - (rate * m[i] + rate_now * g) / (math.sqrt(v[i]) * root + epsilon)

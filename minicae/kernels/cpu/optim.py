"""Optimizers: one pass over the flat vector of parameters, all the arithmetic of one number done while it is at hand."""

import math

from numba import prange

from minicae.kernels.cpu._jit import entry
from minicae.kernels.cpu._scratch import empty


def sgd_step(values, gradients, velocity, learning_rate, momentum, nesterov, weight_decay=0.0):
    """As `reference.optim.sgd_step`."""
    velocity = empty(values.dtype) if velocity is None else velocity
    rate, keep = float(learning_rate), 1.0 - learning_rate * weight_decay
    _sgd(2 * values.size, values, gradients, velocity, rate, float(momentum), nesterov, keep)


def rmsprop_step(values, gradients, mean_square, learning_rate, rho, epsilon):
    """As `reference.optim.rmsprop_step`."""
    _rmsprop(4 * values.size, values, gradients, mean_square, float(learning_rate), float(rho), float(epsilon))


def adam_step(values, gradients, m, v, learning_rate, beta_1, beta_2, epsilon, weight_decay, step):
    """As `reference.optim.adam_step`."""
    rate, root = learning_rate / (1 - beta_1**step), 1 / math.sqrt(1 - beta_2**step)
    keep = 1.0 - learning_rate * weight_decay
    _adam(6 * values.size, values, gradients, m, v, rate, 0.0, float(beta_1), float(beta_2), root, float(epsilon), keep)


def nadam_step(values, gradients, m, v, learning_rate, beta_1, beta_2, epsilon, step, mu, mu_next, mu_product):
    """As `reference.optim.nadam_step`."""
    rate = learning_rate * mu_next / (1 - mu_product * mu_next)
    rate_now = learning_rate * (1 - mu) / (1 - mu_product)
    root = 1 / math.sqrt(1 - beta_2**step)
    _adam(
        6 * values.size,
        values,
        gradients,
        m,
        v,
        rate,
        rate_now,
        float(beta_1),
        float(beta_2),
        root,
        float(epsilon),
        1.0,
    )


@entry
def _sgd(values, gradients, velocity, learning_rate, momentum, nesterov, keep):
    kind = values.dtype.type
    rate, inertia, left = kind(learning_rate), kind(momentum), kind(keep)
    for i in prange(values.size):
        move = -rate * gradients[i]
        if velocity.size:
            velocity[i] = inertia * velocity[i] + move
            move = inertia * velocity[i] + move if nesterov else velocity[i]
        values[i] = left * values[i] + move


@entry
def _rmsprop(values, gradients, mean_square, learning_rate, rho, epsilon):
    kind = values.dtype.type
    rate, old, fresh, floor = kind(learning_rate), kind(rho), kind(1 - rho), kind(epsilon)
    for i in prange(values.size):
        mean_square[i] = old * mean_square[i] + fresh * gradients[i] * gradients[i]
        values[i] -= rate * gradients[i] / (math.sqrt(mean_square[i]) + floor)


@entry
def _adam(values, gradients, m, v, rate, rate_now, beta_1, beta_2, root, epsilon, keep):
    """Adam, with `rate_now` on the gradient itself (Nadam) and `keep` for what weight decay leaves of the values."""
    kind = values.dtype.type
    old_1, fresh_1, old_2, fresh_2 = kind(beta_1), kind(1 - beta_1), kind(beta_2), kind(1 - beta_2)
    speed, speed_now, scale, floor, kept = kind(rate), kind(rate_now), kind(root), kind(epsilon), kind(keep)
    for i in prange(values.size):
        g = gradients[i]
        m[i] = old_1 * m[i] + fresh_1 * g
        v[i] = old_2 * v[i] + fresh_2 * g * g
        values[i] = values[i] * kept - (speed * m[i] + speed_now * g) / (math.sqrt(v[i]) * scale + floor)

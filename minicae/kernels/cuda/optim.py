"""Optimizers: one launch over all weights of a model, a thread to a weight.

None moves a weight whose gradient `keep_if_finite` has found bad.
"""

import math

from minicae.kernels.cuda._device import cuda
from minicae.kernels.cuda._launch import device, kernel, launch, verdict


def sgd_step(values, gradients, velocity, learning_rate, momentum, nesterov, weight_decay=0.0):
    """As `reference.optim.sgd_step`."""
    now = learning_rate, 1 - learning_rate * weight_decay
    if velocity is None:
        _move(_descend, values, gradients, now=now)
    else:
        _move(_roll, values, gradients, velocity, momentum, bool(nesterov), now=now)


def rmsprop_step(values, gradients, mean_square, learning_rate, rho, epsilon):
    """As `reference.optim.rmsprop_step`."""
    _move(_rmsprop, values, gradients, mean_square, rho, 1 - rho, epsilon, now=(learning_rate,))


def adam_step(values, gradients, m, v, learning_rate, beta_1, beta_2, epsilon, weight_decay, step):
    """As `reference.optim.adam_step`."""
    now = learning_rate, learning_rate * weight_decay, 1 - beta_1**step, 1 - beta_2**step
    _move(_adam, values, gradients, m, v, beta_1, 1 - beta_1, beta_2, 1 - beta_2, epsilon, now=now)


def nadam_step(values, gradients, m, v, learning_rate, beta_1, beta_2, epsilon, step, mu, mu_next, mu_product):
    """As `reference.optim.nadam_step`."""
    past, present = mu_next / (1 - mu_product * mu_next), (1 - mu) / (1 - mu_product)
    now = learning_rate, past, present, 1 - beta_2**step
    _move(_nadam, values, gradients, m, v, beta_1, 1 - beta_1, beta_2, 1 - beta_2, epsilon, now=now)


def _move(made, values, gradients, *rest, now):
    """Launch an optimizer's kernel; `now` are the numbers that change from step to step."""
    launch(made, values.size, verdict(gradients), now, values, gradients, *rest)


@device
def _sound(bad):
    return bad[0] == bad.dtype.type(0)


@kernel("RNRR")
def _descend(bad, now, values, gradients):
    """now: learning rate, what the weight decay leaves of a weight; so in `_roll`."""
    i = cuda.grid(1)
    if i < values.size and _sound(bad):
        values[i] = now[1] * values[i] - now[0] * gradients[i]


@kernel("RNRRRri")
def _roll(bad, now, values, gradients, velocity, momentum, nesterov):
    i = cuda.grid(1)
    if i < values.size and _sound(bad):
        pull = now[0] * gradients[i]
        speed = momentum * velocity[i] - pull
        velocity[i] = speed
        if nesterov != 0:
            speed = momentum * speed - pull
        values[i] = now[1] * values[i] + speed


@kernel("RNRRRrrr")
def _rmsprop(bad, now, values, gradients, mean_square, rho, rest, epsilon):
    i = cuda.grid(1)
    if i < values.size and _sound(bad):
        g = gradients[i]
        s = rho * mean_square[i] + rest * g * g
        mean_square[i] = s
        values[i] -= now[0] * g / (math.sqrt(s) + epsilon)


@kernel("RNRRRRrrrrr")
def _adam(bad, now, values, gradients, m, v, beta_1, rest_1, beta_2, rest_2, epsilon):
    """now: learning rate, its product with the weight decay, the corrections of m and v."""
    i = cuda.grid(1)
    if i < values.size and _sound(bad):
        g = gradients[i]
        first = beta_1 * m[i] + rest_1 * g
        second = beta_2 * v[i] + rest_2 * g * g
        m[i] = first
        v[i] = second
        value = values[i]
        value -= now[1] * value
        values[i] = value - now[0] * (first / now[2]) / (math.sqrt(second / now[3]) + epsilon)


@kernel("RNRRRRrrrrr")
def _nadam(bad, now, values, gradients, m, v, beta_1, rest_1, beta_2, rest_2, epsilon):
    """now: learning rate, weights of the running mean and of the gradient, the correction of v."""
    i = cuda.grid(1)
    if i < values.size and _sound(bad):
        g = gradients[i]
        first = beta_1 * m[i] + rest_1 * g
        second = beta_2 * v[i] + rest_2 * g * g
        m[i] = first
        v[i] = second
        values[i] -= now[0] * (now[1] * first + now[2] * g) / (math.sqrt(second / now[3]) + epsilon)

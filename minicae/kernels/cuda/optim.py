"""Optimizers: one launch over all weights of a model, a thread to a weight."""

import math

from minicae.kernels.cuda._launch import cuda, kernel, launch


def sgd_step(values, gradients, velocity, learning_rate, momentum, nesterov):
    """As `reference.optim.sgd_step`."""
    if velocity is None:
        launch(_descend, values.size, values, gradients, learning_rate)
    else:
        launch(_roll, values.size, values, gradients, velocity, learning_rate, momentum, bool(nesterov))


def rmsprop_step(values, gradients, mean_square, learning_rate, rho, epsilon):
    """As `reference.optim.rmsprop_step`."""
    launch(_rmsprop, values.size, values, gradients, mean_square, learning_rate, rho, 1 - rho, epsilon)


def adam_step(values, gradients, m, v, learning_rate, beta_1, beta_2, epsilon, weight_decay, step):
    """As `reference.optim.adam_step`."""
    decay = learning_rate * weight_decay
    corrections = 1 - beta_1**step, 1 - beta_2**step
    means = beta_1, 1 - beta_1, beta_2, 1 - beta_2
    launch(_adam, values.size, values, gradients, m, v, learning_rate, *means, epsilon, decay, *corrections)


def nadam_step(values, gradients, m, v, learning_rate, beta_1, beta_2, epsilon, step, mu, mu_next, mu_product):
    """As `reference.optim.nadam_step`."""
    past, present = mu_next / (1 - mu_product * mu_next), (1 - mu) / (1 - mu_product)
    means = beta_1, 1 - beta_1, beta_2, 1 - beta_2
    ending = epsilon, past, present, 1 - beta_2**step
    launch(_nadam, values.size, values, gradients, m, v, learning_rate, *means, *ending)


@kernel("RRr")
def _descend(values, gradients, rate):
    i = cuda.grid(1)
    if i < values.size:
        values[i] -= rate * gradients[i]


@kernel("RRRrri")
def _roll(values, gradients, velocity, rate, momentum, nesterov):
    i = cuda.grid(1)
    if i < values.size:
        pull = rate * gradients[i]
        speed = momentum * velocity[i] - pull
        velocity[i] = speed
        if nesterov != 0:
            speed = momentum * speed - pull
        values[i] += speed


@kernel("RRRrrrr")
def _rmsprop(values, gradients, mean_square, rate, rho, rest, epsilon):
    i = cuda.grid(1)
    if i < values.size:
        g = gradients[i]
        s = rho * mean_square[i] + rest * g * g
        mean_square[i] = s
        values[i] -= rate * g / (math.sqrt(s) + epsilon)


@kernel("RRRRrrrrrrrrr")
def _adam(values, gradients, m, v, rate, beta_1, rest_1, beta_2, rest_2, epsilon, decay, correction_1, correction_2):
    i = cuda.grid(1)
    if i < values.size:
        g = gradients[i]
        first = beta_1 * m[i] + rest_1 * g
        second = beta_2 * v[i] + rest_2 * g * g
        m[i] = first
        v[i] = second
        value = values[i]
        value -= decay * value
        values[i] = value - rate * (first / correction_1) / (math.sqrt(second / correction_2) + epsilon)


@kernel("RRRRrrrrrrrrr")
def _nadam(values, gradients, m, v, rate, beta_1, rest_1, beta_2, rest_2, epsilon, past, present, correction):
    i = cuda.grid(1)
    if i < values.size:
        g = gradients[i]
        first = beta_1 * m[i] + rest_1 * g
        second = beta_2 * v[i] + rest_2 * g * g
        m[i] = first
        v[i] = second
        values[i] -= rate * (past * first + present * g) / (math.sqrt(second / correction) + epsilon)

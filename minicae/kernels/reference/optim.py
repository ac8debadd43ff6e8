"""Optimizers: how the gradients move the weights.

A model's weights are one flat array, so a step is a handful of lines over four arrays: the values, their
gradients, and one or two more that remember the past steps. These are updated in place. Read `sgd_step`
first; every other optimizer here divides the step of each weight by a running root-mean-square of its
gradients.
"""

import numpy as np


def sgd_step(values, gradients, velocity, learning_rate, momentum, nesterov, weight_decay=0.0):
    """v = momentum * v - learning_rate * g, then values += v (Polyak 1964).

    Nesterov's momentum looks ahead: values += momentum * v - learning_rate * g, with the new v (Sutskever et
    al. 2013). Before either, the weight decay multiplies values by 1 - learning_rate * weight_decay.

    Parameters
    ----------
    values : float32|float64 (P,), updated
    gradients : same dtype (P,)
    velocity : same dtype (P,), updated
        Zeros before the first step; may be None if momentum is 0.
    learning_rate : float
    momentum : float, in [0, 1)
    nesterov : bool
    weight_decay : float
    """
    values *= 1 - learning_rate * weight_decay
    if velocity is None:
        values -= learning_rate * gradients
        return
    velocity[...] = momentum * velocity - learning_rate * gradients
    values += momentum * velocity - learning_rate * gradients if nesterov else velocity


def rmsprop_step(values, gradients, mean_square, learning_rate, rho, epsilon):
    """s = rho * s + (1 - rho) * g^2, then values -= learning_rate * g / (sqrt(s) + epsilon) (Tieleman &
    Hinton 2012).

    Parameters
    ----------
    values : float32|float64 (P,), updated
    gradients : same dtype (P,)
    mean_square : same dtype (P,), updated
        s; zeros before the first step.
    learning_rate : float
    rho : float, in [0, 1)
        How much of the past s remembers.
    epsilon : float
        Added outside the root.
    """
    mean_square[...] = rho * mean_square + (1 - rho) * gradients * gradients
    values -= learning_rate * gradients / (np.sqrt(mean_square) + epsilon)


def adam_step(values, gradients, m, v, learning_rate, beta_1, beta_2, epsilon, weight_decay, step):
    """Adam (Kingma & Ba 2015), and AdamW (Loshchilov & Hutter 2019) where weight_decay is not 0:

        values -= learning_rate * weight_decay * values
        m = beta_1 * m + (1 - beta_1) * g            v = beta_2 * v + (1 - beta_2) * g^2
        values -= learning_rate * m_hat / (sqrt(v_hat) + epsilon)

    where m_hat = m / (1 - beta_1^step) and v_hat = v / (1 - beta_2^step) make up for a start from zeros.

    Parameters
    ----------
    values : float32|float64 (P,), updated
    gradients : same dtype (P,)
    m : same dtype (P,), updated
        Running mean of the gradients; zeros before the first step.
    v : same dtype (P,), updated
        Running mean of their squares; zeros before the first step.
    learning_rate : float
    beta_1 : float, in [0, 1)
    beta_2 : float, in [0, 1)
    epsilon : float
        Added outside the corrected root.
    weight_decay : float
        Decoupled from the gradients; 0 for Adam.
    step : int
        1 at the first step.
    """
    values -= learning_rate * weight_decay * values
    m[...] = beta_1 * m + (1 - beta_1) * gradients
    v[...] = beta_2 * v + (1 - beta_2) * gradients * gradients
    m_hat, v_hat = m / (1 - beta_1**step), v / (1 - beta_2**step)
    values -= learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)


def nadam_step(values, gradients, m, v, learning_rate, beta_1, beta_2, epsilon, step, mu, mu_next, mu_product):
    """Adam with Nesterov's look ahead (Dozat 2016): m and v as in `adam_step`, then

        m_hat = mu_next * m / (1 - mu_product * mu_next) + (1 - mu) * g / (1 - mu_product)
        values -= learning_rate * m_hat / (sqrt(v_hat) + epsilon)

    Parameters
    ----------
    values : float32|float64 (P,), updated
    gradients : same dtype (P,)
    m : same dtype (P,), updated
        Running mean of the gradients; zeros before the first step.
    v : same dtype (P,), updated
        Running mean of their squares; zeros before the first step.
    learning_rate : float
    beta_1 : float, in [0, 1)
    beta_2 : float, in [0, 1)
    epsilon : float
        Added outside the corrected root.
    step : int
        1 at the first step.
    mu : float
        Momentum of this step, beta_1 * (1 - 0.5 * 0.96^(0.004 * step)) in the paper.
    mu_next : float
        Momentum of the next one.
    mu_product : float
        Product of mu over all steps up to this one.
    """
    m[...] = beta_1 * m + (1 - beta_1) * gradients
    v[...] = beta_2 * v + (1 - beta_2) * gradients * gradients
    m_hat = mu_next / (1 - mu_product * mu_next) * m + (1 - mu) / (1 - mu_product) * gradients
    values -= learning_rate * m_hat / (np.sqrt(v / (1 - beta_2**step)) + epsilon)

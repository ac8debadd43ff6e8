"""Noise: a denoising autoencoder is given a damaged image and asked for the clean one (Vincent et al. 2008).

No function here draws a random number. The caller draws them and hands them in, so the same numbers give the
same damage in every backend, and backward can see where forward struck: a pixel that was overwritten passes
no gradient on. Gaussian noise has no backward, since the gradient of x + constant is the gradient itself.
"""

import numpy as np


def dropout_forward(x, uniform, y, rate, scale):
    """y = x * scale where uniform >= rate, else 0 (Srivastava et al. 2014).

    Parameters
    ----------
    x : float32|float64, any shape
    uniform : same dtype and shape
        Drawn from [0, 1).
    y : same dtype and shape, written
    rate : float
        Fraction that is dropped.
    scale : float
        1 / (1 - rate) keeps the mean of y at that of x (dropout); 1 keeps what is left as it is (masking
        noise).
    """
    y[...] = np.where(uniform >= rate, x * scale, 0)


def dropout_backward(dy, uniform, dx, rate, scale):
    """dx = dy * scale where uniform >= rate, else 0: the same map as forward, which is its own adjoint.

    Parameters
    ----------
    dy : float32|float64, any shape
    uniform : same dtype and shape
        The same as in `dropout_forward`.
    dx : same dtype and shape, written
    rate : float
    scale : float
    """
    dropout_forward(dy, uniform, dx, rate, scale)


def gaussian_noise_forward(x, noise, y, stddev):
    """y = x + stddev * noise.

    Parameters
    ----------
    x : float32|float64, any shape
    noise : same dtype and shape
        Drawn from N(0, 1).
    y : same dtype and shape, written
    stddev : float
        In the unit of x.
    """
    y[...] = x + stddev * noise


def salt_pepper_forward(x, uniform, y, corruption, low, high):
    """y = low where uniform < corruption / 2, high up to corruption, and x from there on.

    Parameters
    ----------
    x : float32|float64, any shape
    uniform : same dtype and shape
        Drawn from [0, 1).
    y : same dtype and shape, written
    corruption : float
        Fraction that is overwritten, half with pepper and half with salt.
    low : float
        The value of pepper.
    high : float
        The value of salt.
    """
    y[...] = np.where(uniform < corruption / 2, low, np.where(uniform < corruption, high, x))


def salt_pepper_backward(dy, uniform, dx, corruption):
    """dx = dy where x was kept, else 0.

    Parameters
    ----------
    dy : float32|float64, any shape
    uniform : same dtype and shape
        The same as in `salt_pepper_forward`.
    dx : same dtype and shape, written
    corruption : float
    """
    dx[...] = np.where(uniform < corruption, 0, dy)


def occlusion_forward(x, corners, y, size, value):
    """y = x with one rectangle of each image set to value.

    Parameters
    ----------
    x : float32|float64 (N, H, W, C)
    corners : int32 (N, 2)
        Top row and left column of the rectangle, which lies inside the image.
    y : same dtype as x (N, H, W, C), written
    size : tuple of int, (h, w)
        Of the rectangle, in pixels.
    value : float
    """
    y[...] = x
    for n, (top, left) in enumerate(corners):
        y[n, top : top + size[0], left : left + size[1]] = value


def occlusion_backward(dy, corners, dx, size):
    """dx = dy with the rectangles set to 0: what was covered had no say.

    Parameters
    ----------
    dy : float32|float64 (N, H, W, C)
    corners : int32 (N, 2)
        The same as in `occlusion_forward`.
    dx : same dtype as dy (N, H, W, C), written
    size : tuple of int, (h, w)
    """
    occlusion_forward(dy, corners, dx, size, 0)

"""Noise: damage by random numbers that the host has drawn, a thread to an element."""

from minicae.kernels.cuda._device import cuda, divide
from minicae.kernels.cuda._launch import kernel, launch


def dropout_forward(x, uniform, y, rate, scale):
    """As `reference.noise.dropout_forward`."""
    launch(_dropout, x.size, x, uniform, y, rate, scale)


def dropout_backward(dy, uniform, dx, rate, scale):
    """As `reference.noise.dropout_backward`."""
    launch(_dropout, dy.size, dy, uniform, dx, rate, scale)


def gaussian_noise_forward(x, noise, y, stddev):
    """As `reference.noise.gaussian_noise_forward`."""
    launch(_gaussian_noise, x.size, x, noise, y, stddev)


def salt_pepper_forward(x, uniform, y, corruption, low, high):
    """As `reference.noise.salt_pepper_forward`."""
    launch(_salt_pepper, x.size, x, uniform, y, corruption / 2, corruption, low, high)


def salt_pepper_backward(dy, uniform, dx, corruption):
    """As `reference.noise.salt_pepper_backward`."""
    launch(_dropout, dy.size, dy, uniform, dx, corruption, 1.0)


def occlusion_forward(x, corners, y, size, value):
    """As `reference.noise.occlusion_forward`."""
    launch(_occlusion, x.size, x, corners, y, *x.shape[1:], *size, value)


def occlusion_backward(dy, corners, dx, size):
    """As `reference.noise.occlusion_backward`."""
    occlusion_forward(dy, corners, dx, size, 0.0)


@kernel("RRRrr")
def _dropout(x, uniform, y, rate, scale):
    i = cuda.grid(1)
    if i < x.size:
        if uniform[i] >= rate:
            y[i] = x[i] * scale
        else:
            y[i] = x.dtype.type(0)


@kernel("RRRr")
def _gaussian_noise(x, noise, y, stddev):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = x[i] + stddev * noise[i]


@kernel("RRRrrrr")
def _salt_pepper(x, uniform, y, pepper, salt, low, high):
    i = cuda.grid(1)
    if i < x.size:
        if uniform[i] < pepper:
            y[i] = low
        elif uniform[i] < salt:
            y[i] = high
        else:
            y[i] = x[i]


@kernel("RIRiiiiir")
def _occlusion(x, corners, y, H, W, C, tall, broad, value):
    at = cuda.grid(1)
    if at < x.size:
        rest, _ = divide(at, C)
        rest, w = divide(rest, W)
        n, h = divide(rest, H)
        h -= corners[2 * n]
        w -= corners[2 * n + 1]
        if h >= 0 and h < tall and w >= 0 and w < broad:
            y[at] = value
        else:
            y[at] = x[at]

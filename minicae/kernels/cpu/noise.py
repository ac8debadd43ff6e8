"""Corruptions of the input. The random numbers are drawn by NumPy before the kernel runs, in one order, from one seed."""

from numba import prange

from minicae.kernels.cpu._jit import entry


def dropout_forward(x, uniform, y, rate, scale):
    """As `reference.noise.dropout_forward`."""
    _drop(x.size, x.reshape(-1), uniform.reshape(-1), y.reshape(-1), rate, x.dtype.type(scale))


def dropout_backward(dy, uniform, dx, rate, scale):
    """As `reference.noise.dropout_backward`."""
    _drop(dy.size, dy.reshape(-1), uniform.reshape(-1), dx.reshape(-1), rate, dy.dtype.type(scale))


def gaussian_noise_forward(x, noise, y, stddev):
    """As `reference.noise.gaussian_noise_forward`."""
    _add_noise(x.size, x.reshape(-1), noise.reshape(-1), y.reshape(-1), x.dtype.type(stddev))


def salt_pepper_forward(x, uniform, y, corruption, low, high):
    """As `reference.noise.salt_pepper_forward`."""
    low, high = x.dtype.type(low), x.dtype.type(high)
    _salt_pepper(x.size, x.reshape(-1), uniform.reshape(-1), y.reshape(-1), corruption, low, high)


def salt_pepper_backward(dy, uniform, dx, corruption):
    """As `reference.noise.salt_pepper_backward`."""
    zero = dy.dtype.type(0)
    _salt_pepper(dy.size, dy.reshape(-1), uniform.reshape(-1), dx.reshape(-1), corruption, zero, zero)


def occlusion_forward(x, corners, y, size, value):
    """As `reference.noise.occlusion_forward`."""
    _occlude(x.size, x, corners, y, size, x.dtype.type(value))


def occlusion_backward(dy, corners, dx, size):
    """As `reference.noise.occlusion_backward`."""
    _occlude(dy.size, dy, corners, dx, size, dy.dtype.type(0))


@entry
def _drop(x, uniform, y, rate, scale):
    for i in prange(x.size):
        y[i] = x[i] * scale if uniform[i] >= rate else x.dtype.type(0)


@entry
def _add_noise(x, noise, y, stddev):
    for i in prange(x.size):
        y[i] = x[i] + stddev * noise[i]


@entry
def _salt_pepper(x, uniform, y, corruption, low, high):
    for i in prange(x.size):
        u = uniform[i]
        y[i] = low if u < corruption / 2 else high if u < corruption else x[i]


@entry
def _occlude(x, corners, y, size, value):
    for n in prange(x.shape[0]):
        top, left = corners[n, 0], corners[n, 1]
        for h in range(x.shape[1]):
            for w in range(x.shape[2]):
                hidden = top <= h < top + size[0] and left <= w < left + size[1]
                for c in range(x.shape[3]):
                    y[n, h, w, c] = value if hidden else x[n, h, w, c]

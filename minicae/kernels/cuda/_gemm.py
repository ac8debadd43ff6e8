"""Convolutions as products of matrices that are never written down, a tile of the result to a block of threads.

Rows are pixels of the image that is written, columns its channels, and the products run over k = (p, q, c), the weights
of one output. The patches are gathered from the image on the way into shared memory (implicit im2col). One rule says
where a row's pixel i and a row p of the kernel meet in the image that is read:

    i * up + p * step - off, if it is a multiple of `down`, divided by it       (columns likewise)

A convolution has up = stride, step = dilation, off = padding, down = 1; its adjoint has up = 1, step = -dilation,
off = -padding, down = stride. So the same kernels go forward and backward, and a dense layer is a convolution of images
of one pixel.

Where `down` is more than 1, most of these meetings are none. The pixels (i, j) with the same remainders by `down` are a
phase: they meet the same rows and columns of the kernel, every `skip`-th from some first. A block takes its pixels from
one phase, and walks over these alone.

Here the kernel is chosen: from `_wide`, the fast ones, or from `_plain`, those that take anything.
"""

import math
from typing import NamedTuple

from minicae.kernels.cuda._launch import aligned, launch, nothing, run
from minicae.kernels.cuda._plain import CUT, SCALE, SIDE, SIDE_THREADS, direct, plain
from minicae.kernels.cuda._wide import ROWS, THREADS, WIDE

FEW = 3  # channels that are not worth a tile


class Map(NamedTuple):
    """What the rule above needs, for rows and columns."""

    up: tuple
    step: tuple
    off: tuple
    down: tuple
    skip: tuple = (1, 1)


def forward_map(strides, padding, dilation):
    """The map of a convolution."""
    return Map(strides, dilation, padding[::2], (1, 1))


def adjoint_map(strides, padding, dilation):
    """The map of its adjoint."""
    skip = tuple(s // math.gcd(s, d) for s, d in zip(strides, dilation))
    return Map((1, 1), (-dilation[0], -dilation[1]), (-padding[0], -padding[2]), strides, skip)


def multiply(x, w, b, y, kernel_size, rule, turned, through, activation, alpha):
    """y = act(patches(x) w + b), or times the slope at a gate, for activations with one kink; other ones are left out.

    Returns whether the activation, or the gate, is still to be applied.
    """
    (N, H, W, C), (_, OH, OW, F) = x.shape, y.shape
    (down_h, down_w), dtype = rule.down, x.dtype
    M, phases = N * -(-OH // down_h) * -(-OW // down_w), down_h * down_w
    gate, name, alpha = through or (None, activation, alpha)
    kind = {"relu": SCALE if through else CUT, "leaky_relu": SCALE}.get(name, 0)
    gated = kind != 0 and through is not None
    bias, gate = nothing(dtype) if b is None else b, gate if gated else nothing(dtype)
    arrays = x, w, bias, gate, y
    sizes = (
        M,
        H,
        W,
        C,
        *kernel_size,
        OH,
        OW,
        F,
        *rule.up,
        *rule.step,
        *rule.off,
        *rule.down,
        *rule.skip,
        b is not None,
        gated,
    )
    ending = kind, 0.0 if name == "relu" else alpha
    steps = (1, C) if turned else (F, 1)
    if y.size == 0:
        return False
    if min(C, F) <= FEW:
        launch(direct, y.size, *arrays, *sizes, *steps, *ending)
    elif C % 4 == 0 and F % 4 == 0 and dtype.itemsize == 4 and aligned(*arrays):
        width = 4 if F <= 32 else 8
        run(WIDE[width, turned], (-(-M // ROWS), -(-F // (8 * width)), phases), THREADS, *arrays, *sizes, *ending)
    else:
        run(plain, (-(-M // SIDE), -(-F // SIDE), phases), SIDE_THREADS, *arrays, *sizes, *steps, *ending)
    return kind == 0 and name != "linear"

"""The small linear maps of Winograd's convolution, as passes over the channels.

A transform is a handful of additions: `input_4(x)` takes six numbers and gives six. Channels lie side by side in memory,
so a pass does it for a whole vector of channels at once, and then for the next vector:

        rows of the source, `src_row` apart            rows of the target, `dst_row` apart
        x[0]  | c c c c | c c c c | ...                y[0]  | c c c c | c c c c | ...
        x[1]  | c c c c | c c c c | ...     ---->      y[1]  | c c c c | c c c c | ...
         ...     first     second                       ...
                 vector    vector

Each transform is written once, as plain arithmetic on a list. Given NumPy arrays it is the definition, which runs when
compilation is off; given the `Register`s of `_passes.py` it writes the instructions of the compiled pass. "_2" belongs to
F(2x2, 3x3), with tiles of 4 x 4, and "_4" to F(4x4, 3x3), with tiles of 6 x 6.

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016); the matrices B, G and A are theirs.
"""

import numpy as np


def input_4(x):
    """B^T x: six numbers of the image to six of the transformed tile."""
    a, b = x[4] - x[2] * 4.0, x[3] - x[1] * 4.0
    c, d = x[4] - x[2], (x[3] - x[1]) * 2.0
    return [x[0] * 4.0 - x[2] * 5.0 + x[4], a + b, a - b, c + d, c - d, x[1] * 4.0 - x[3] * 5.0 + x[5]]


def filter_4(w):
    """G w: three weights to six."""
    a, b = (w[0] + w[2]) * (-1 / 6), w[1] * (1 / 6)
    c, d = w[0] * (1 / 24) + w[2] * (1 / 6), w[1] * (1 / 12)
    return [w[0] * (1 / 4), a - b, a + b, c + d, c - d, w[2]]


def output_4(m):
    """A^T m: six numbers of a transformed product to four pixels."""
    a, b = m[1] + m[2], m[1] - m[2]
    c, d = m[3] + m[4], m[3] - m[4]
    return [m[0] + a + c, b + d * 2.0, a + c * 4.0, b + d * 8.0 + m[5]]


def output_adjoint_4(y):
    """A y: the adjoint of `output_4`, four numbers of a gradient to six."""
    a, b = y[0] + y[2], y[1] + y[3]
    c, d = y[0] + y[2] * 4.0, y[1] * 2.0 + y[3] * 8.0
    return [y[0], a + b, a - b, c + d, c - d, y[3]]


def filter_adjoint_4(u):
    """G^T u: the adjoint of `filter_4`, six numbers to the gradients of three weights."""
    a, b = u[1] + u[2], u[2] - u[1]
    c, d = u[3] + u[4], u[3] - u[4]
    ends = a * (-1 / 6)
    return [u[0] * (1 / 4) + ends + c * (1 / 24), b * (1 / 6) + d * (1 / 12), ends + c * (1 / 6) + u[5]]


def input_2(x):
    """B^T x: four numbers to four."""
    return [x[0] - x[2], x[1] + x[2], x[2] - x[1], x[1] - x[3]]


def filter_2(w):
    """G w: three weights to four."""
    a, b = (w[0] + w[2]) * 0.5, w[1] * 0.5
    return [w[0], a + b, a - b, w[2]]


def output_2(m):
    """A^T m: four numbers to two pixels."""
    return [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]


def output_adjoint_2(y):
    """A y: two numbers to four."""
    return [y[0], y[0] + y[1], y[0] - y[1], y[1] * -1.0]


def filter_adjoint_2(u):
    """G^T u: four numbers to three."""
    a, b = (u[1] + u[2]) * 0.5, (u[1] - u[2]) * 0.5
    return [u[0] + a, b, a + u[3]]


INPUT, FILTER, OUTPUT, OUTPUT_ADJOINT, FILTER_ADJOINT = range(5)
TRANSFORMS = {  # (transform, size of a tile of the output): (the arithmetic, how many numbers it takes)
    (INPUT, 2): (input_2, 4),
    (FILTER, 2): (filter_2, 3),
    (OUTPUT, 2): (output_2, 4),
    (OUTPUT_ADJOINT, 2): (output_adjoint_2, 2),
    (FILTER_ADJOINT, 2): (filter_adjoint_2, 4),
    (INPUT, 4): (input_4, 6),
    (FILTER, 4): (filter_4, 3),
    (OUTPUT, 4): (output_4, 6),
    (OUTPUT_ADJOINT, 4): (output_adjoint_4, 4),
    (FILTER_ADJOINT, 4): (filter_adjoint_4, 6),
}


def plain_pass(kind, tile, src, src_at, src_row, src_step, dst, dst_at, dst_row, dst_step, first, last, repeats, count):
    """`repeats` passes, each `src_step` and `dst_step` on; source rows outside first..last count as zeros."""
    transform, ins = TRANSFORMS[kind, tile]
    for r in range(repeats):
        at = src_at + r * src_step
        rows = [
            src[at + j * src_row :][:count] * 1.0 if first <= j < last else np.zeros(count, src.dtype)
            for j in range(ins)
        ]
        for i, y in enumerate(transform(rows)):
            to = dst_at + r * dst_step + i * dst_row
            dst[to : to + count] = y


def plain_last_pass(
    tile, src, src_at, src_row, dst, dst_at, dst_row, n, count, bias, bias_at, gate, gate_at, relu, gated
):
    """The pass that ends in y: bias added, ReLU or the slope of one applied, only the first n rows written."""
    transform, ins = TRANSFORMS[OUTPUT, tile]
    for i, y in enumerate(transform([src[src_at + j * src_row :][:count] for j in range(ins)])[:n]):
        y = y + bias[bias_at : bias_at + count]
        if relu:
            y = np.where(y <= 0, 0, y)
        if gated:
            y = y * np.where(gate[gate_at + i * dst_row :][:count] <= 0, 0, 1).astype(y.dtype)
        dst[dst_at + i * dst_row :][:count] = y

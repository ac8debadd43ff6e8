"""Convolutions: which way of doing one is chosen, that it is right there, and how the work is cut into blocks.

Few channels on either side, or none; strides of 1 or more; padding up to, at and beyond what a kernel can be turned round in.
"""

import contextlib
import types

import numpy as np
import pytest

from minicae.kernels import cpu
from minicae.kernels.cpu import conv
from tests.kernels.strategies import integers
from tests.kernels.test_linear_kernels import LINEAR, assert_exact

WAYS = ("_gather", "_stamp", "_multiply", "_spread", "_weigh", "_correlate")


@contextlib.contextmanager
def replaced(**changes):
    """Some names of `cpu.conv` exchanged for a while."""
    before = {name: vars(conv)[name] for name in changes}
    try:
        vars(conv).update(changes)
        yield
    finally:
        vars(conv).update(before)


@contextlib.contextmanager
def watched():
    """The names of the ways that convolutions are done in, one after another."""
    used = []

    def noting(name, way):
        return lambda *arguments: used.append(name.lstrip("_")) or way(*arguments)

    with replaced(**{name: noting(name, vars(conv)[name]) for name in WAYS}):
        yield used


FEW_IN, FEW_OUT = ("gather", "stamp", "weigh"), ("stamp", "gather", "weigh")
MANY, APART = ("multiply", "multiply", "correlate"), ("multiply", "spread", "correlate")
CHOICES = [  # kernel, C, F, strides, padding, dilation, then: forward, back to the input, back to the weights
    ((3, 3), 4, 5, (1, 1), (1, 1, 1, 1), (1, 1), FEW_IN),
    ((3, 3), 5, 4, (1, 1), (1, 1, 1, 1), (1, 1), FEW_OUT),
    ((3, 3), 5, 5, (1, 1), (1, 1, 1, 1), (1, 1), MANY),
    ((3, 3), 4, 5, (2, 1), (1, 1, 1, 1), (1, 1), FEW_IN),
    ((3, 3), 4, 5, (1, 2), (1, 1, 1, 1), (1, 1), FEW_IN),
    ((3, 3), 5, 4, (2, 1), (1, 1, 1, 1), (1, 1), APART),
    ((3, 3), 5, 4, (1, 2), (1, 1, 1, 1), (1, 1), APART),
    ((3, 3), 5, 4, (2, 2), (1, 1, 1, 1), (1, 1), APART),
    ((3, 3), 5, 5, (2, 1), (1, 1, 1, 1), (1, 1), APART),
    ((3, 3), 5, 5, (1, 2), (1, 1, 1, 1), (1, 1), APART),
    ((3, 3), 5, 4, (1, 1), (2, 2, 2, 2), (1, 1), FEW_OUT),
    ((3, 3), 5, 4, (1, 1), (3, 0, 0, 0), (1, 1), APART),
    ((3, 3), 5, 4, (1, 1), (0, 0, 3, 0), (1, 1), APART),
    ((3, 3), 4, 5, (1, 1), (3, 1, 1, 3), (1, 1), FEW_IN),
    ((3, 3), 5, 5, (1, 1), (2, 2, 2, 2), (1, 1), MANY),
    ((3, 3), 5, 5, (1, 1), (3, 0, 0, 0), (1, 1), APART),
    ((3, 3), 5, 5, (1, 1), (0, 0, 3, 0), (1, 1), APART),
    ((3, 2), 5, 9, (2, 1), (1, 1, 1, 1), (1, 1), APART),
    ((2, 3), 5, 9, (1, 1), (1, 1, 1, 1), (1, 1), MANY),
    ((2, 2), 5, 4, (1, 1), (3, 0, 2, 1), (3, 2), FEW_OUT),
    ((2, 2), 5, 5, (1, 1), (3, 0, 3, 0), (3, 2), APART),
    ((2, 2), 5, 5, (1, 1), (3, 0, 3, 0), (2, 3), APART),
    ((7, 4), 2, 5, (1, 1), (1, 0, 0, 1), (1, 1), FEW_IN),
    ((4, 7), 2, 5, (1, 1), (1, 0, 0, 1), (1, 1), FEW_IN),
    ((7, 4), 5, 2, (1, 1), (1, 0, 0, 1), (1, 1), FEW_OUT),
    ((4, 7), 5, 2, (1, 1), (1, 0, 0, 1), (1, 1), FEW_OUT),
    ((5, 7), 2, 3, (1, 1), (1, 0, 0, 1), (1, 1), MANY),
    ((7, 7), 1, 2, (1, 1), (1, 0, 0, 1), (1, 1), ("gather", "stamp", "weigh")),
    ((1, 1), 2, 3, (1, 1), (0, 0, 0, 0), (1, 1), ("gather", "gather", "weigh")),
]


@pytest.mark.parametrize("kernel, C, F, strides, padding, dilation, ways", CHOICES)
def test_the_way_is_chosen_and_is_exact(kernel, C, F, strides, padding, dilation, ways):
    """Transposed, the first two change places."""
    rng = np.random.default_rng(6)
    steps, settings = (3, 2), (strides, padding, dilation)
    H, W = (
        step * stride + (size - 1) * gap + 1 - pad
        for step, stride, size, gap, pad in zip(steps, strides, kernel, dilation, (sum(padding[:2]), sum(padding[2:])))
    )
    x, w, dy = integers(rng, 2, H, W, C), integers(rng, *kernel, C, F), integers(rng, 2, 4, 3, F)
    with watched() as used:
        assert_exact(cpu, "conv2d", x, w, integers(rng, F), dy, settings, ("relu", 0.0))
        assert_exact(cpu, "conv2d_transpose", dy, w, integers(rng, C), x, settings, LINEAR)
    forward, back, weights = ways
    assert used == 2 * [forward, back, weights] + 2 * [back, forward, weights]  # twice: in each dtype


@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_keep_every_thread_busy(threads):
    """Four blocks for each thread, of some times ROWS rows, which are at most 96."""
    four = 4 * threads
    with replaced(threads=lambda: threads):
        sizes = [conv._share(rows) / conv.ROWS for rows in (0, 1, four * conv.ROWS, four * conv.ROWS + 1)]
        assert sizes == [1, 1, 1, 2]
        assert conv._share(four * 96) == conv._share(four * 96 + 1) == conv._share(10**9) == 96


PLAIN = (1, 1), (0, 0), (1, 1)  # strides, corner, dilation: they are only handed on
NOTHING = None, "linear", 0.0  # what follows


def given(product, threads, way, *arguments):
    """What one of the ways of `cpu.conv` gives to a matrix product of `_gemm`, for so many threads; the product is not done."""
    calls = []
    gemm = types.SimpleNamespace(BLOCK=96, **{product: lambda *its: calls.append(its)})
    with replaced(_gemm=gemm, threads=lambda: threads):
        way(*arguments)
    return calls[0]


def test_a_product_is_cut_into_blocks_of_pixels():
    """12 ROWS pixels are four blocks of 3 ROWS for one thread, and six of 2 ROWS for two."""
    rows = conv.ROWS
    x, w, y = np.ones((2, rows, 6, 3)), np.ones((1, 1, 3, 5)), np.ones((2, rows, 6, 5))
    for threads, block in (1, 3 * rows), (2, 2 * rows), (12, rows):
        arguments = given("convolve", threads, conv._multiply, x, w, None, y, (1, 1), *PLAIN, False, NOTHING)
        assert arguments[0] == 12 * rows * 15 and arguments[-2] == block


def test_the_adjoint_is_cut_into_blocks_of_one_image():
    for H, W, block in (7, 5, 35), (5, 7, 35), (2, 48, 96), (97, 1, 96), (20, 30, 96):
        y, w, x = np.ones((2, H, W, 5)), np.ones((1, 1, 3, 5)), np.ones((2, H, W, 3))
        arguments = given("spread", 2, conv._spread, y, w, None, x, *PLAIN, NOTHING)
        assert arguments[0] == 2 * H * W * 15 and arguments[-2] == block


def weights(threads, kernel, C, F):
    """(span, panels) of a gradient of the weights: rows, and vectors of columns, of one of its pieces."""
    x, dy, dw = np.ones((1, 9, 8, C)), np.ones((1, 9, 8, F)), np.ones((*kernel, C, F))
    arguments = given("correlate", threads, conv._correlate, x, dy, dw, None, kernel, *PLAIN)
    assert arguments[0] == 72 * dw.size
    return arguments[-5], arguments[-4]


def test_the_gradient_of_the_weights_is_cut_for_every_thread():
    """Its rows into two pieces for each thread; its columns too, where there are fewer than ROWS rows for each."""
    rows, width = conv.ROWS, conv.columns(np.dtype(np.float64))
    assert weights(3, (2, 3), rows, 1) == (rows, 1)  # 6 ROWS rows in 6 pieces
    assert weights(3, (3, 2), rows + 1, 1) == (2 * rows, 1)
    assert weights(1, (3, 2), rows, 1) == (3 * rows, 1)
    assert weights(1, (7, 7), 50, 1)[0] == conv.PITCH  # 1225 rows in a piece would be too many
    assert weights(3, (1, 1), 3 * rows, 5 * width) == (rows, 5)
    assert weights(3, (1, 1), 3 * rows - 1, 5 * width) == (rows, 2)
    assert weights(3, (1, 1), 3 * rows - 1, 3 * width + 1) == (rows, 2)

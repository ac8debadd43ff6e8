"""Dense layers in one call, and what holds for them beyond `test_linear_kernels`: any batch and any tile give the same bits."""

import contextlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from minicae.kernels import cpu, reference
from minicae.kernels.cpu import _jit, dense
from tests.kernels.strategies import DTYPES, blank, cast, integers

SHAPES = [  # (N, C, F): one number, less than a vector, vectors and a rest, several rounds over k, several blocks
    (1, 1, 1),
    (0, 3, 4),
    (33, 5, 4),
    (13, 17, 31),
    (128, 100, 30),
    (7, 400, 33),
    (400, 20, 48),
    (130, 250, 100),
]
EXACT = [None, ("linear", 0.0), ("relu", 0.0), ("leaky_relu", 0.5)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("through", EXACT)
@pytest.mark.parametrize("shape", SHAPES)
def test_all_gradients_in_one_call_are_exact(backend, shape, through, dtype):
    N, C, F = shape
    rng = np.random.default_rng(0)
    x, w, dy = cast(dtype, integers(rng, N, C), integers(rng, C, F), integers(rng, N, F))
    through = through and (x, *through)
    dw, db, dx = blank((C, F), dtype), blank((F,), dtype), blank((N, C), dtype)
    backend.dense_backward(x, dy, w, dw, db, dx, through)
    want_dw, want_db, want_dx = x.T @ dy, dy.sum(0), dy @ w.T
    if through:
        reference.activation_backward(want_dx, x, want_dx, *through[1:])
    for got, want in ((dw, want_dw), (db, want_db), (dx, want_dx)):
        assert np.array_equal(got, want)
    backend.dense_backward(x, dy, w, blank((C, F), dtype), None, again := blank((N, C), dtype), through)
    assert np.array_equal(again, want_dx)


@contextlib.contextmanager
def shared(**changes):
    """Some names of `cpu.dense` exchanged for a while: by default, no product is too small to be shared out in blocks."""
    changes = changes or {"SERIAL_WORK": 0}
    before = {name: vars(dense)[name] for name in changes}
    try:
        vars(dense).update(changes)
        yield
    finally:
        vars(dense).update(before)


BLOCKS = [
    (3, 40, 8),
    (40, 3, 8),
    (2, 50, 33),
    (50, 2, 5),
    (3, 200, 7),
    (200, 3, 4),
    (33, 34, 2),
    (50, 7, 3),
    (2, 40, 32),
    (5, 64, 3),
    (1, 17, 1),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("through", EXACT)
@pytest.mark.parametrize("sizes", BLOCKS)
def test_gradients_in_several_blocks_are_exact(sizes, through, dtype):
    """On one thread and on all; with each of the three results left out in turn."""
    N, C, F = sizes
    rng = np.random.default_rng(4)
    x, w, dy = cast(dtype, integers(rng, N, C), integers(rng, C, F), integers(rng, N, F))
    slope = np.where(x > 0, 1.0, through[1]) if through in EXACT[2:] else 1.0
    wanted = x.T @ dy, dy.sum(0), (dy @ w.T) * slope

    def check():
        for absent in (None, 0, 1, 2):
            got = [blank(shape, dtype) for shape in ((C, F), (F,), (N, C))]
            given = [None if place == absent else one for place, one in enumerate(got)]
            dense.dense_backward(x, dy, w, *given, through and (x, *through))
            for one, want in zip(given, wanted):
                assert one is None or np.array_equal(one, want)

    with shared():
        _jit.in_every_version(check)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", EXACT[1:])
@pytest.mark.parametrize("sizes", BLOCKS)
def test_rows_in_several_blocks_are_exact(sizes, activation, dtype):
    N, C, F = sizes
    rng = np.random.default_rng(5)
    x, w, b = cast(dtype, integers(rng, N, C), integers(rng, C, F), integers(rng, F))

    def check():
        for bias in (None, b):
            y, want = blank((N, F), dtype), x @ w + (0 if bias is None else bias)
            want = np.where(want > 0, want, activation[1] * want) if activation in EXACT[2:] else want
            dense.dense_forward(x, w, bias, y, *activation)
            assert np.array_equal(y, want)

    with shared():
        _jit.in_every_version(check)


@pytest.mark.parametrize(
    "threads, rows, block",
    [
        (1, 1, 16),
        (1, 96, 96),
        (1, 97, 64),
        (1, 500, 96),
        (2, 16, 16),
        (2, 17, 16),
        (2, 33, 32),
        (2, 192, 96),
        (2, 193, 64),
        (3, 100, 48),
        (4, 100, 32),
        (4, 400, 64),
        (16, 784, 64),
    ],
)
def test_blocks_are_shared_out_evenly(threads, rows, block):
    """Not even with few rows is one empty, or anything but a multiple of 16; with many, all threads go as many rounds."""
    with shared(SERIAL_WORK=1000, threads=lambda: threads):
        assert dense._share(rows, 1001) == block
        assert dense._share(rows, 1000) == rows


def test_no_rows_are_one_block():
    assert dense._share(0, 0) == 1


def test_forward_shares_out_rows_and_backward_inputs():
    """3 rows, 5 inputs, 7 outputs: 105 products forward, and twice as many backward."""
    asked = []
    x, w, y = np.ones((3, 5)), np.ones((5, 7)), np.ones((3, 7))
    with shared(_share=lambda *sizes: asked.append(sizes) or 16):
        dense.dense_forward(x, w, None, blank((3, 7), np.float64), "linear", 0.0)
        dense.dense_backward(x, y, w, blank((5, 7), np.float64), None, blank((3, 5), np.float64))
    assert asked == [(3, 105), (5, 210)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("F", [1, 16, 33, 100])
def test_a_row_does_not_depend_on_its_batch(F, dtype):
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in ((150, 333), (333, F), (F,)))
    dy = rng.standard_normal((150, F)).astype(dtype)
    whole_y, whole_dx = blank((150, F), dtype), blank((150, 333), dtype)
    cpu.dense_forward(x, w, b, whole_y, "tanh", 0.0)
    cpu.dense_backward_input(dy, w, whole_dx)
    for rows in (slice(0, 1), slice(1, 6), slice(6, 19), slice(19, 150)):
        y, dx = blank(whole_y[rows].shape, dtype), blank(whole_dx[rows].shape, dtype)
        cpu.dense_forward(x[rows], w, b, y, "tanh", 0.0)
        cpu.dense_backward_input(dy[rows], w, dx)
        assert y.tobytes() == whole_y[rows].tobytes() and dx.tobytes() == whole_dx[rows].tobytes()


def test_without_compilation():
    """The plain micro-kernel and the plain transpose; the one mode in which an index past the end is noticed."""
    program = """
import numpy as np
from minicae.kernels import cpu, reference
rng = np.random.default_rng(0)
for N, C, F in ((3, 2, 5), (0, 3, 2), (2, 18, 3), (5, 1, 1)):
    x, w, b, dy = (rng.integers(-4, 5, s).astype(np.float32) for s in ((N, C), (C, F), (F,), (N, F)))
    results = []
    for backend in (cpu, reference):
        y, dw, db, dx = (np.full(s, np.nan, np.float32) for s in ((N, F), (C, F), (F,), (N, C)))
        backend.dense_forward(x, w, b, y, "relu", 0.0)
        backend.dense_backward(x, dy, w, dw, db, dx, (x, "relu", 0.0))
        results.append((y, dw, db, dx))
    assert all(np.array_equal(*pair) for pair in zip(*results)), (N, C, F)
print("ok")
"""
    environment = os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parents[2]), "NUMBA_DISABLE_JIT": "1"}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
    assert run.stdout == "ok\n", run.stderr

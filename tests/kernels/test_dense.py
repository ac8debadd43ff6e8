"""Dense layers in one call, and what holds for them beyond `test_linear_kernels`: any batch and any tile give the same bits."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from minicae.kernels import cpu, reference
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

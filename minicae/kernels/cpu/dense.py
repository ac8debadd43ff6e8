"""Dense layers: products of matrices as they lie in memory. One entry goes forward, one does all that belongs to backward.

Forward shares out the rows of y, backward the inputs c: a block of them is some rows of w and of dw, and some columns of
dx. Who reads a block of w has turned it round before, so no thread waits for another, nor fetches what another wrote.
Every number is computed by itself, so neither the number of threads nor the size of the batch shows in the bits.
"""

import numba
from numba import prange

from minicae.kernels.cpu._direct import multiply
from minicae.kernels.cpu._gemm import sum_rows
from minicae.kernels.cpu._jit import SERIAL_WORK, entry_of_tiles
from minicae.kernels.cpu._scalar import CODES, LINEAR, activate_run, bend_run
from minicae.kernels.cpu._scratch import empty, scratch, threads
from minicae.kernels.cpu._transpose import turn
from minicae.kernels.cpu._vector import add

BLOCK = 96  # rows of a block at most: a multiple of every row count of the micro-kernel
STEP = 16  # a block is a multiple of it: no vector holds more numbers


def dense_forward(x, w, b, y, activation, alpha):
    """As `reference.dense.dense_forward`."""
    work = len(x) * w.size
    _forward(work, x, w, empty(x.dtype) if b is None else b, y, CODES[activation], alpha, _share(len(x), work))


def dense_backward(x, dpre, w, dw, db, dx, through=None):
    """As `reference.dense.dense_backward`: one pass over the blocks of w does it all."""
    work = 2 * len(dpre) * w.size
    C, F = w.shape
    block = _share(C, work)
    gate, activation, alpha = through or (dpre, "linear", 0.0)
    if dw is None or dx is None:
        none = empty(w.dtype).reshape(1, 0)
        dw, dx = none if dw is None else dw, none if dx is None else dx
    db = empty(w.dtype) if db is None else db
    area = scratch(w.dtype, F + F * block * threads())
    _backward(work, x, dpre, w, dw, db, dx, gate, CODES[activation], alpha, block, area)


def dense_backward_input(dpre, w, dx, through=None):
    """As `reference.dense.dense_backward_input`."""
    dense_backward(dx, dpre, w, None, None, dx, through)


def dense_backward_weight(x, dpre, dw, db):
    """As `reference.dense.dense_backward_weight`."""
    dense_backward(x, dpre, dw, dw, db, None)


def _share(rows, work):
    """Rows of a block, so that there are as many for each thread; all of them where one thread does the work."""
    if work <= SERIAL_WORK:
        return rows or 1
    rounds = threads() * -(-rows // (threads() * BLOCK))
    return -(-rows // (STEP * rounds)) * STEP or 1


@entry_of_tiles
def _forward(x, w, b, y, code, alpha, block):
    """y = act(x w + b)."""
    N, C = x.shape
    F = w.shape[1]
    x_flat, w_flat, y_flat, alpha = x.reshape(-1), w.reshape(-1), y.reshape(-1), y.dtype.type(alpha)
    for task in prange((N + block - 1) // block):
        first = task * block
        rows = min(block, N - first)
        multiply(rows, C, x_flat, first * C, C, 1, w_flat, 0, F, y_flat, first * F, F, F)
        if b.size:
            for at in range(first * F, (first + rows) * F, F):
                add(b, y_flat[at : at + F])
        activate_run(y_flat[first * F : (first + rows) * F], code, alpha)


@entry_of_tiles
def _backward(x, dpre, w, dw, db, dx, gate, code, alpha, block, area):
    """dw = x' dpre, db = the sums of dpre's columns and dx = dpre w' act'(gate), each unless it is empty.

    `area` is scratch: the sums of some rows of dpre, then a transposed block of w for each thread.
    """
    N, F = dpre.shape
    C = w.shape[0]
    x_flat, dpre_flat, w_flat, alpha = x.reshape(-1), dpre.reshape(-1), w.reshape(-1), w.dtype.type(alpha)
    dw_flat, dx_flat, gate_flat = dw.reshape(-1), dx.reshape(-1), gate.reshape(-1)
    tasks = (C + block - 1) // block
    for task in prange(tasks):
        first = task * block
        own = min(block, C - first)
        if dw.size:
            multiply(own, N, x_flat, first, 1, C, dpre_flat, 0, F, dw_flat, first * F, F, F)
        if db.size:
            f = F * task // tasks
            sum_rows(dpre_flat, N, F, f, F * (task + 1) // tasks - f, db, area, f)
        if dx.size:
            turned = F + numba.get_thread_id() * block * F
            turn(w_flat, first * F, own, F, area, turned)
            multiply(N, F, dpre_flat, 0, F, 1, area, turned, own, dx_flat, first, C, own)
            rows, run = (1, N * C) if own == C else (N, own)
            for at in range(first, first + rows * C if code != LINEAR else 0, C):
                bend_run(dx_flat[at : at + run], gate_flat[at : at + run], code, alpha)

"""Turning a matrix round, a square of vectors at a time.

A square as wide as a vector is read row by row. Then rows exchange halves, quarters, and so on down to single numbers,
and what was column i is row i:

        a a a a        a a b b        a b c d
        b b b b        a a b b        a b c d
        c c c c   ->   c c d d   ->   a b c d
        d d d d        c c d d        a b c d
"""

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minicae.kernels.cpu._jit import helper
from minicae.kernels.cpu._micro import VECTOR_BYTES


@intrinsic
def _turn_square(typing_context, a, a_at, a_row, b, b_at, b_row):
    """b[b_at + i * b_row + j] = a[a_at + j * a_row + i], for a square of as many rows as a vector holds numbers."""

    def generate(context, builder, signature, arguments):
        a, a_at, a_row, b, b_at, b_row = arguments
        size = signature.args[0].dtype.bitwidth // 8
        lanes = VECTOR_BYTES // size
        vector = ir.VectorType(context.get_value_type(signature.args[0].dtype), lanes)

        def address(position, array, at, row, place):
            data = cgutils.create_struct_proxy(signature.args[position])(context, builder, array).data
            offset = builder.add(at, builder.mul(row, ir.Constant(ir.IntType(64), place)))
            return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())

        def pick(x, y, places):
            return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(ir.IntType(32), lanes), places))

        rows = [builder.load(address(0, a, a_at, a_row, j), align=size) for j in range(lanes)]
        half = lanes // 2
        while half:
            low = [lanes + i - half if i & half else i for i in range(lanes)]
            high = [lanes + i if i & half else i + half for i in range(lanes)]
            for i in range(lanes):
                if not i & half:
                    x, y = rows[i], rows[i + half]
                    rows[i], rows[i + half] = pick(x, y, low), pick(x, y, high)
            half //= 2
        for i in range(lanes):
            builder.store(rows[i], address(3, b, b_at, b_row, i), align=size)
        return context.get_dummy_value()

    i8 = types.int64
    return types.void(a, i8, i8, b, i8, i8), generate


@helper
def _turn(a, a_at, rows, columns, b, b_at):
    lanes = VECTOR_BYTES // a.itemsize
    squares = columns // lanes * lanes
    r = 0
    while r + lanes <= rows:
        for k in range(0, squares, lanes):
            _turn_square(a, a_at + r * columns + k, columns, b, b_at + k * rows + r, rows)
        for k in range(squares, columns):
            for i in range(r, r + lanes):
                b[b_at + k * rows + i] = a[a_at + i * columns + k]
        r += lanes
    for i in range(r, rows):
        for k in range(columns):
            b[b_at + k * rows + i] = a[a_at + i * columns + k]


def turn_plain(a, a_at, rows, columns, b, b_at):
    """b[b_at:] (columns, rows) = the transpose of a[a_at:] (rows, columns): the definition, for when compilation is off."""
    for r in range(rows):
        for k in range(columns):
            b[b_at + k * rows + r] = a[a_at + r * columns + k]


turn = turn_plain if numba.config.DISABLE_JIT else _turn

"""The micro-kernel: the few instructions in which nearly all of the training time is spent.

It multiplies a narrow strip of A by a narrow strip of B and keeps the result in registers for the whole loop over k:

              one row of B: two vectors                     for k in range(K):
              +-----------+-----------+                         b0, b1 = B[k]
              |    b0     |    b1     |                         for r in range(ROWS):
     +----+   +-----------+-----------+                             c[r, 0] += A[r, k] * b0
     | a0 |   |  c[0, 0]  |  c[0, 1]  |                             c[r, 1] += A[r, k] * b1
     | a1 |   |  c[1, 0]  |  c[1, 1]  |
     | .. |   |    ...    |    ...    |   with AVX-512: 12 rows x 2 vectors = 24 sums in 32 registers; each number
     +----+   +-----------+-----------+   loaded from memory is used 12 or 32 times.

The vectors are written directly in LLVM's language, because a compiler given the three loops does not keep the sums in
registers. Their width is the host's (64 bytes with AVX-512, 32 with AVX2 and FMA, 16 elsewhere), so the number of columns
is `vector bytes * 2 / itemsize`. `multiply_plain` says the same in Python; it is what runs when compilation is off.

Source: Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008); Van Zee and van de Geijn,
"BLIS" (2015).
"""

import llvmlite.binding
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minicae.kernels.cpu._jit import helper


def _host_features():
    """Names of the instruction sets that compiled code may use: the host's, unless Numba was told otherwise."""
    if numba.config.CPU_FEATURES is not None:
        return {word[1:] for word in numba.config.CPU_FEATURES.split(",") if word.startswith("+")}
    if numba.config.CPU_NAME == "generic":
        return set()
    return {name for name, present in llvmlite.binding.get_host_cpu_features().items() if present}


def _shape_of_tile(features):
    """(bytes in a vector, rows, rows of the smaller kernel, whether the host multiplies and adds in one instruction)."""
    if "avx512f" in features:
        return 64, 12, 4, True
    if {"avx2", "fma"} <= features:
        return 32, 6, 2, True
    return 16, 6, 2, "neon" in features


VECTOR_BYTES, ROWS, FEW, FUSED = _shape_of_tile(_host_features())
VECTORS = 2


def columns(dtype) -> int:
    """Columns of a tile: how many numbers of this dtype two vectors hold."""
    return VECTORS * VECTOR_BYTES // dtype.itemsize


def _emit(rows, transposed):
    """The code of C[rows, columns] (+)= A[rows, K] B[K, columns], where A[r, k] lies at r * pitch + k.

    `transposed`, A[r, k] lies at r + k * pitch.
    """

    def generate(context, builder, signature, arguments):
        depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add = arguments
        element = context.get_value_type(signature.args[1].dtype)
        lanes = VECTOR_BYTES * 8 // signature.args[1].dtype.bitwidth
        vector = ir.VectorType(element, lanes)
        size = signature.args[1].dtype.bitwidth // 8

        def pointer(position, array, offset):
            data = cgutils.create_struct_proxy(signature.args[position])(context, builder, array).data
            return builder.gep(data, [offset])

        def as_vector(address):
            return builder.bitcast(address, vector.as_pointer())

        def number(value):
            return ir.Constant(ir.IntType(64), value)

        def multiply_add(x, y, total):
            if not FUSED:
                return builder.fadd(total, builder.fmul(x, y))
            kind = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{lanes}f{size * 8}")
            return builder.call(fma, [x, y, total])

        a, b, c = pointer(1, a, a_at), pointer(4, b, b_at), pointer(6, c, c_at)
        zero = ir.Constant(vector, [0.0] * lanes)
        sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(VECTORS)] for _ in range(rows)]
        # One pointer walks for three rows, which the processor reaches as p, p + pitch and p + 2 * pitch; a pointer for
        # each row would not fit into its registers.
        near = [number(0), pitch, builder.mul(pitch, number(2))]
        walkers = [
            cgutils.alloca_once_value(
                builder, builder.gep(a, [number(r) if transposed else builder.mul(pitch, number(r))])
            )
            for r in range(0, rows, rows if transposed else 3)
        ]
        step = pitch if transposed else number(1)
        with cgutils.for_range(builder, depth) as loop:
            b_row = builder.gep(b, [builder.mul(loop.index, number(VECTORS * lanes))])
            b_vectors = [
                builder.load(as_vector(builder.gep(b_row, [number(j * lanes)])), align=size) for j in range(VECTORS)
            ]
            places = [builder.load(walker) for walker in walkers]
            for r in range(rows):
                place = (
                    builder.gep(places[0], [number(r)]) if transposed else builder.gep(places[r // 3], [near[r % 3]])
                )
                value = builder.load(place)
                single = builder.insert_element(
                    ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
                )
                everywhere = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
                spread = builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), everywhere)
                for j in range(VECTORS):
                    builder.store(multiply_add(spread, b_vectors[j], builder.load(sums[r][j])), sums[r][j])
            for walker, place in zip(walkers, places):
                builder.store(builder.gep(place, [step]), walker)
        adding = builder.icmp_signed("!=", add, number(0))
        for r in range(rows):
            c_row_at = builder.gep(c, [builder.mul(c_row, number(r))])
            for j in range(VECTORS):
                address = as_vector(builder.gep(c_row_at, [number(j * lanes)]))
                with builder.if_then(adding):
                    before = builder.load(address, align=size)
                    builder.store(builder.fadd(before, builder.load(sums[r][j])), sums[r][j])
                builder.store(builder.load(sums[r][j]), address, align=size)
        return context.get_dummy_value()

    return generate


def _signature(depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add):
    i8 = types.int64
    return types.void(i8, a, i8, i8, b, i8, c, i8, i8, i8)


@intrinsic
def rows_full(typing_context, depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add):
    """C (ROWS, columns) (+)= A B, the rows of A `pitch` apart."""
    return _signature(depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add), _emit(ROWS, False)


@intrinsic
def rows_few(typing_context, depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add):
    """As `rows_full`, for FEW rows."""
    return _signature(depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add), _emit(FEW, False)


@intrinsic
def rows_one(typing_context, depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add):
    """As `rows_full`, for one row."""
    return _signature(depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add), _emit(1, False)


@intrinsic
def columns_full(typing_context, depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add):
    """C (ROWS, columns) (+)= A^T B: the columns of a tile of A, `pitch` from one k to the next."""
    return _signature(depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add), _emit(ROWS, True)


@intrinsic
def columns_few(typing_context, depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add):
    """As `columns_full`, for FEW columns."""
    return _signature(depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add), _emit(FEW, True)


@intrinsic
def columns_one(typing_context, depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add):
    """As `columns_full`, for one column."""
    return _signature(depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add), _emit(1, True)


def multiply_plain(rows, a_row, a_k, depth, a, a_at, b, b_at, c, c_at, c_row, add):
    """The micro-kernel in three loops: its definition, and what runs when compilation is off."""
    width = columns(c.dtype)
    for r in range(rows):
        for j in range(width):
            total = c.dtype.type(0)
            for k in range(depth):
                total += a[a_at + r * a_row + k * a_k] * b[b_at + k * width + j]
            at = c_at + r * c_row + j
            c[at] = c[at] + total if add else total


if numba.config.DISABLE_JIT:

    def by_rows(rows, depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add):
        """As the compiled `by_rows`, by `multiply_plain`."""
        multiply_plain(rows, pitch, 1, depth, a, a_at, b, b_at, c, c_at, c_row, add)

    def by_columns(rows, depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add):
        """As the compiled `by_columns`, by `multiply_plain`."""
        multiply_plain(rows, 1, pitch, depth, a, a_at, b, b_at, c, c_at, c_row, add)

else:

    @helper
    def by_rows(rows, depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add):
        """C (rows, columns) (+)= A B for any number of rows: as many at once as registers allow."""
        r = 0
        while r + ROWS <= rows:
            rows_full(depth, a, a_at + r * pitch, pitch, b, b_at, c, c_at + r * c_row, c_row, add)
            r += ROWS
        while r + FEW <= rows:
            rows_few(depth, a, a_at + r * pitch, pitch, b, b_at, c, c_at + r * c_row, c_row, add)
            r += FEW
        while r < rows:
            rows_one(depth, a, a_at + r * pitch, pitch, b, b_at, c, c_at + r * c_row, c_row, add)
            r += 1

    @helper
    def by_columns(rows, depth, a, a_at, pitch, b, b_at, c, c_at, c_row, add):
        """C (rows, columns) (+)= A^T B: row r of C comes from column r of the tile of A."""
        r = 0
        while r + ROWS <= rows:
            columns_full(depth, a, a_at + r, pitch, b, b_at, c, c_at + r * c_row, c_row, add)
            r += ROWS
        while r + FEW <= rows:
            columns_few(depth, a, a_at + r, pitch, b, b_at, c, c_at + r * c_row, c_row, add)
            r += FEW
        while r < rows:
            columns_one(depth, a, a_at + r, pitch, b, b_at, c, c_at + r * c_row, c_row, add)
            r += 1

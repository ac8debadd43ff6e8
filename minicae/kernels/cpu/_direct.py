"""The micro-kernel of dense layers: a product of matrices as they lie in memory, without packing them first.

Packing pays where a packed panel is used for many rows, as in a convolution. A dense layer has as many rows as the batch
has vectors, so it reads both matrices in place, each with steps of its own between rows and between columns. As in
`_micro.py`, the sums of a tile stay in registers for the whole loop over k:

              one row of B: one or two vectors              for k in range(depth):
              +-----------+-----------+                         b0, b1 = B[k]
     +----+   |  c[0, 0]  |  c[0, 1]  |                         for r in range(rows):
     | a0 |   |  c[1, 0]  |  c[1, 1]  |                             c[r, 0] += A[r, k] * b0
     | .. |   |    ...    |    ...    |                             c[r, 1] += A[r, k] * b1
     +----+   +-----------+-----------+

Columns that do not fill a vector are read and written through a mask. Every number of C is summed over k in order, one
multiplication and addition at a time, whatever the tile that it falls into: its bits do not depend on the other rows.
"""

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minicae.kernels.cpu._jit import helper
from minicae.kernels.cpu._micro import FEW, FUSED, ROWS, VECTOR_BYTES, VECTORS

DEPTH = 160  # rows of B that are used for all rows of A before the next: two vectors of each fit the first-level cache
NEAR = 3  # rows of A that the processor reaches from one pointer: p, p + step and p + 2 * step


class _Tile:
    """Writes the instructions of C[rows, count] (+)= A[rows, depth] B[depth, count]; count is `vectors` full vectors, or
    less than one."""

    def __init__(self, builder, element, lanes, masked, count):
        self.builder, self.lanes = builder, lanes
        self.vector = ir.VectorType(element, lanes)
        self.size = VECTOR_BYTES // lanes
        self.zero = ir.Constant(self.vector, [0.0] * lanes)
        self.kind = f"v{lanes}f{self.size * 8}"
        self.mask = None
        if masked:
            words = ir.VectorType(ir.IntType(64), lanes)
            self.mask = builder.icmp_signed("<", ir.Constant(words, list(range(lanes))), self.spread(count, words))

    def spread(self, value, kind):
        """A vector that holds `value` everywhere."""
        nothing, word = ir.Constant(kind, ir.Undefined), ir.IntType(32)
        first = self.builder.insert_element(nothing, value, ir.Constant(word, 0))
        return self.builder.shuffle_vector(
            first, nothing, ir.Constant(ir.VectorType(word, self.lanes), [0] * self.lanes)
        )

    def multiply_add(self, x, y, total):
        """x * y + total, rounded once where the host can."""
        if not FUSED:
            return self.builder.fadd(total, self.builder.fmul(x, y))
        return self._call(f"llvm.fma.{self.kind}", self.vector, x, y, total)

    def load(self, start, j):
        """Vector j from `start` on; what the mask leaves out is 0."""
        address = self._address(start, j)
        if self.mask is None:
            return self.builder.load(address, align=self.size)
        align = ir.Constant(ir.IntType(32), self.size)
        return self._call(f"llvm.masked.load.{self.kind}.p0", self.vector, address, align, self.mask, self.zero)

    def store(self, value, start, j):
        """Write vector j from `start` on, but for what the mask leaves out."""
        address = self._address(start, j)
        if self.mask is None:
            self.builder.store(value, address, align=self.size)
            return
        align = ir.Constant(ir.IntType(32), self.size)
        self._call(f"llvm.masked.store.{self.kind}.p0", ir.VoidType(), value, address, align, self.mask)

    def _address(self, start, j):
        place = self.builder.gep(start, [ir.Constant(ir.IntType(64), j * self.lanes)])
        return self.builder.bitcast(place, self.vector.as_pointer())

    def _call(self, name, result, *arguments):
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), arguments)


def _emit(rows, vectors, masked):
    def generate(context, builder, signature, arguments):
        depth, a, a_at, a_row, a_k, b, b_at, b_row, c, c_at, c_row, count, add = arguments
        dtype = signature.args[1].dtype
        tile = _Tile(builder, context.get_value_type(dtype), VECTOR_BYTES * 8 // dtype.bitwidth, masked, count)

        def pointer(position, array, offset):
            data = cgutils.create_struct_proxy(signature.args[position])(context, builder, array).data
            return builder.gep(data, [offset])

        def variable(value):
            """Memory for `value`, set each time that the tile begins; LLVM turns it into a register."""
            place = cgutils.alloca_once(builder, value.type)
            builder.store(value, place)
            return place

        def times(step, r):
            return builder.mul(step, ir.Constant(ir.IntType(64), r))

        a, b, c = pointer(1, a, a_at), pointer(5, b, b_at), pointer(8, c, c_at)
        targets = [builder.gep(c, [times(c_row, r)]) for r in range(rows)]
        sums = [[variable(tile.zero) for _ in range(vectors)] for _ in range(rows)]
        with builder.if_then(builder.icmp_signed("!=", add, add.type(0))):
            for row, target in zip(sums, targets):
                for j in range(vectors):
                    builder.store(tile.load(target, j), row[j])
        starts = [builder.gep(a, [times(a_row, r)]) for r in range(0, rows, NEAR)] + [b]
        walkers, steps = [variable(start) for start in starts], [a_k] * (len(starts) - 1) + [b_row]
        near = [times(a_row, r) for r in range(NEAR)]
        with cgutils.for_range(builder, depth):
            places = [builder.load(walker) for walker in walkers]
            right = [tile.load(places[-1], j) for j in range(vectors)]
            for r, row in enumerate(sums):
                left = tile.spread(builder.load(builder.gep(places[r // NEAR], [near[r % NEAR]])), tile.vector)
                for j in range(vectors):
                    builder.store(tile.multiply_add(left, right[j], builder.load(row[j])), row[j])
            for walker, place, step in zip(walkers, places, steps):
                builder.store(builder.gep(place, [step]), walker)
        for row, target in zip(sums, targets):
            for j in range(vectors):
                tile.store(builder.load(row[j]), target, j)
        return context.get_dummy_value()

    return generate


def _tile(rows, vectors, masked):
    @intrinsic
    def tile(typing_context, depth, a, a_at, a_row, a_k, b, b_at, b_row, c, c_at, c_row, count, add):
        i8 = types.int64
        signature = types.void(i8, a, i8, i8, i8, b, i8, i8, c, i8, i8, i8, i8)
        return signature, _emit(rows, vectors, masked)

    return tile


_many_wide, _few_wide, _one_wide = (_tile(rows, VECTORS, False) for rows in (ROWS, FEW, 1))
_many_thin, _few_thin, _one_thin = (_tile(rows, 1, True) for rows in (ROWS, FEW, 1))


@helper
def _wide(rows, depth, a, a_at, a_row, a_k, b, b_at, b_row, c, c_at, c_row, add):
    """C (rows, columns of two vectors) (+)= A B: as many rows at once as registers allow."""
    r = 0
    while r + ROWS <= rows:
        _many_wide(depth, a, a_at + r * a_row, a_row, a_k, b, b_at, b_row, c, c_at + r * c_row, c_row, 0, add)
        r += ROWS
    while r + FEW <= rows:
        _few_wide(depth, a, a_at + r * a_row, a_row, a_k, b, b_at, b_row, c, c_at + r * c_row, c_row, 0, add)
        r += FEW
    while r < rows:
        _one_wide(depth, a, a_at + r * a_row, a_row, a_k, b, b_at, b_row, c, c_at + r * c_row, c_row, 0, add)
        r += 1


@helper
def _thin(rows, depth, a, a_at, a_row, a_k, b, b_at, b_row, c, c_at, c_row, count, add):
    """C (rows, count) (+)= A B, where the columns are one vector or less."""
    r = 0
    while r + ROWS <= rows:
        _many_thin(depth, a, a_at + r * a_row, a_row, a_k, b, b_at, b_row, c, c_at + r * c_row, c_row, count, add)
        r += ROWS
    while r + FEW <= rows:
        _few_thin(depth, a, a_at + r * a_row, a_row, a_k, b, b_at, b_row, c, c_at + r * c_row, c_row, count, add)
        r += FEW
    while r < rows:
        _one_thin(depth, a, a_at + r * a_row, a_row, a_k, b, b_at, b_row, c, c_at + r * c_row, c_row, count, add)
        r += 1


@helper
def _multiply(rows, depth, a, a_at, a_row, a_k, b, b_at, b_row, c, c_at, c_row, columns):
    lanes = VECTOR_BYTES // a.itemsize
    width = VECTORS * lanes
    for k in range(0, max(depth, 1), DEPTH):
        deep, a_from, b_from = min(DEPTH, depth - k), a_at + k * a_k, b_at + k * b_row
        j = 0
        while j + width <= columns:
            _wide(rows, deep, a, a_from, a_row, a_k, b, b_from + j, b_row, c, c_at + j, c_row, k)
            j += width
        while j < columns:
            count = min(lanes, columns - j)
            _thin(rows, deep, a, a_from, a_row, a_k, b, b_from + j, b_row, c, c_at + j, c_row, count, k)
            j += lanes


def multiply_plain(rows, depth, a, a_at, a_row, a_k, b, b_at, b_row, c, c_at, c_row, columns):
    """C (rows, columns) = A (rows, depth) B (depth, columns), with A[r, k] at a[a_at + r * a_row + k * a_k], B[k, j] at
    b[b_at + k * b_row + j] and C[r, j] at c[c_at + r * c_row + j]: the definition, and what runs when compilation is off.
    """
    for r in range(rows):
        for j in range(columns):
            total = c.dtype.type(0)
            for k in range(depth):
                total += a[a_at + r * a_row + k * a_k] * b[b_at + k * b_row + j]
            c[c_at + r * c_row + j] = total


multiply = multiply_plain if numba.config.DISABLE_JIT else _multiply

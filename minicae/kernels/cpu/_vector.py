"""Runs of numbers: copied, cleared, added, weighed, compared. The pieces that packing, pooling and upsampling are made of.

A loop over `a[start + i]` is not turned into vector instructions, because Numba lets an index be negative and has to ask
each time. So a run is a slice that is indexed from 0, or goes straight to the C library's memcpy. Where runs are as short
as the channels of one pixel, what comes before such a loop (do the arrays overlap?) takes longer than the loop itself:
`weighted_sum` and `largest` are written in LLVM's language, whole vectors first and then number by number.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minicae.kernels.cpu._jit import helper
from minicae.kernels.cpu._micro import VECTOR_BYTES


def _address(context, builder, signature, arguments, position):
    """Pointer to element `arguments[position + 1]` of the array `arguments[position]`."""
    array = cgutils.create_struct_proxy(signature.args[position])(context, builder, arguments[position])
    return builder.gep(array.data, [arguments[position + 1]])


@intrinsic
def _memcpy(typing_context, source, source_at, target, target_at, count):
    def generate(context, builder, signature, arguments):
        itemsize = signature.args[0].dtype.bitwidth // 8
        read = _address(context, builder, signature, arguments, 0)
        written = _address(context, builder, signature, arguments, 2)
        cgutils.raw_memcpy(builder, written, read, arguments[4], itemsize)
        return context.get_dummy_value()

    return types.void(source, types.int64, target, types.int64, types.int64), generate


@intrinsic
def _memset(typing_context, target, target_at, count):
    def generate(context, builder, signature, arguments):
        itemsize = ir.Constant(ir.IntType(64), signature.args[0].dtype.bitwidth // 8)
        written = _address(context, builder, signature, arguments, 0)
        cgutils.memset(builder, written, builder.mul(arguments[2], itemsize), 0)
        return context.get_dummy_value()

    return types.void(target, types.int64, types.int64), generate


def _in_steps(builder, count, bits, emit):
    """Code that calls emit(first, type, spread) for all of `count` elements: four vectors at once, then one, then numbers.

    `type` maps the type of an element to that of a step, `spread` turns one number into a step full of it.
    """
    start = ir.IntType(64)(0)
    for lanes in (VECTOR_BYTES * 32 // bits, VECTOR_BYTES * 8 // bits, 1):

        def step(kind, lanes=lanes):
            return ir.VectorType(kind, lanes) if lanes > 1 else kind

        def spread(value, step=step, lanes=lanes):
            if lanes == 1:
                return value
            single = builder.insert_element(ir.Constant(step(value.type), ir.Undefined), value, ir.IntType(32)(0))
            return builder.shuffle_vector(single, single, ir.Constant(step(ir.IntType(32)), [0] * lanes))

        end = builder.and_(count, ir.IntType(64)(-lanes))
        with cgutils.for_range_slice(builder, start, end, ir.IntType(64)(lanes)) as (first, _):
            emit(first, step, spread)
        start = end


@intrinsic
def _weighted_sum(typing_context, x, x_at, x_row, weights, weights_at, rows, count, y, y_at):
    def generate(context, builder, signature, arguments):
        _, _, x_row, _, _, rows, count, _, _ = arguments
        kind = signature.args[0].dtype
        element, size = context.get_value_type(kind), kind.bitwidth // 8
        x, weights, y = (_address(context, builder, signature, arguments, position) for position in (0, 3, 7))

        def emit(first, step, spread):
            def at(pointer, offset):
                return builder.bitcast(builder.gep(pointer, [offset]), step(element).as_pointer())

            total = cgutils.alloca_once(builder, step(element))
            builder.store(ir.Constant(step(element), None), total)
            with cgutils.for_range(builder, rows) as row:
                value = builder.load(at(x, builder.add(builder.mul(row.index, x_row), first)), align=size)
                weight = spread(builder.load(builder.gep(weights, [row.index])))
                builder.store(builder.fadd(builder.fmul(weight, value), builder.load(total)), total)
            builder.store(builder.load(total), at(y, first), align=size)

        _in_steps(builder, count, kind.bitwidth, emit)
        return context.get_dummy_value()

    i8 = types.int64
    return types.void(x, i8, i8, weights, i8, i8, i8, y, i8), generate


@intrinsic
def _largest(typing_context, x, x_at, x_row, rows, columns, count, y, y_at, winner, winner_at, place, place_row):
    def generate(context, builder, signature, arguments):
        _, _, x_row, rows, columns, count, _, _, _, _, place, place_row = arguments
        kind, kept = signature.args[0].dtype, signature.args[8].dtype
        element, size = context.get_value_type(kind), kind.bitwidth // 8
        number = ir.IntType(kind.bitwidth)  # places are compared in lanes as wide as those of x, and stored narrower
        x, y, winner = (_address(context, builder, signature, arguments, position) for position in (0, 6, 8))

        def emit(first, step, spread):
            def at(pointer, offset, kind):
                return builder.bitcast(builder.gep(pointer, [offset]), step(kind).as_pointer())

            def spread_place(value):
                return spread(value if number.width == 64 else builder.trunc(value, number))

            best, where = cgutils.alloca_once(builder, step(element)), cgutils.alloca_once(builder, step(number))
            builder.store(builder.load(at(x, first, element), align=size), best)
            builder.store(spread_place(place), where)
            with cgutils.for_range(builder, rows) as row, cgutils.for_range(builder, columns) as column:
                offset = builder.add(builder.mul(row.index, x_row), builder.mul(column.index, count))
                here = builder.add(place, builder.add(builder.mul(row.index, place_row), column.index))
                value = builder.load(at(x, builder.add(offset, first), element), align=size)
                old = builder.load(best)
                wins = builder.and_(builder.fcmp_unordered(">", value, old), builder.fcmp_ordered("==", old, old))
                builder.store(builder.select(wins, value, old), best)
                builder.store(builder.select(wins, spread_place(here), builder.load(where)), where)
            builder.store(builder.load(best), at(y, first, element), align=size)
            places, narrow = builder.load(where), ir.IntType(kept.bitwidth)
            if kept.bitwidth < number.width:
                places = builder.trunc(places, step(narrow))
            builder.store(places, at(winner, first, narrow), align=kept.bitwidth // 8)

        _in_steps(builder, count, kind.bitwidth, emit)
        return context.get_dummy_value()

    i8 = types.int64
    return types.void(x, i8, i8, i8, i8, i8, y, i8, winner, i8, i8, i8), generate


if numba.config.DISABLE_JIT:

    def _run(array, start, count):
        """Where a run lies. Compiled code would go beyond the ends of the array without a word, and a slice stops there."""
        if count and not 0 <= start <= start + count <= array.size:
            raise IndexError(f"a run of {count} numbers from {start} on, in an array of {array.size}")
        return slice(start, start + count)

    def copy(source, source_at, target, target_at, count):
        """target[target_at:][:count] = source[source_at:][:count]."""
        target[_run(target, target_at, count)] = source[_run(source, source_at, count)]

    def clear(target, target_at, count):
        """target[target_at:][:count] = 0."""
        target[_run(target, target_at, count)] = 0

    def weighted_sum(x, x_at, x_row, weights, weights_at, rows, count, y, y_at):
        """As the compiled `weighted_sum`, run by run."""
        clear(y, y_at, count)
        for r in range(rows):
            y[_run(y, y_at, count)] += weights[weights_at + r] * x[_run(x, x_at + r * x_row, count)]

    def largest(x, x_at, x_row, rows, columns, count, y, y_at, winner, winner_at, place, place_row):
        """As the compiled `largest`, number by number."""
        for c in range(count):
            best, where = x[x_at + c], place
            for p in range(rows):
                for q in range(columns):
                    v = x[x_at + p * x_row + q * count + c]
                    if best == best and not v <= best:
                        best, where = v, place + p * place_row + q
            y[y_at + c], winner[winner_at + c] = best, where

else:

    @helper
    def copy(source, source_at, target, target_at, count):
        """target[target_at:][:count] = source[source_at:][:count]."""
        _memcpy(source, source_at, target, target_at, count)

    @helper
    def clear(target, target_at, count):
        """target[target_at:][:count] = 0."""
        _memset(target, target_at, count)

    @helper
    def weighted_sum(x, x_at, x_row, weights, weights_at, rows, count, y, y_at):
        """y[y_at:][:count] = the sum of `rows` runs of x, x_row apart from x_at on, times weights[weights_at:]."""
        _weighted_sum(x, x_at, x_row, weights, weights_at, rows, count, y, y_at)

    @helper
    def largest(x, x_at, x_row, rows, columns, count, y, y_at, winner, winner_at, place, place_row):
        """y = the largest of the rows x columns pixels from x[x_at:] on, channel by channel, and winner = which one.

        A pixel has `count` channels; rows are x_row apart. Pixels are numbered `place`, `place` + 1, .. along a row, from
        row to row place_row higher. Of equal ones the first wins; the first NaN wins over all numbers.
        """
        _largest(x, x_at, x_row, rows, columns, count, y, y_at, winner, winner_at, place, place_row)


@helper
def add(source, target):
    """target += source."""
    for i in range(target.size):
        target[i] += source[i]


@helper
def square_sum(a):
    """Sum of a * a, in float64."""
    total = 0.0
    for i in range(a.size):
        total += np.float64(a[i]) * np.float64(a[i])
    return total


@helper
def magnitude_sum(a):
    """Sum of |a|, in float64."""
    total = 0.0
    for i in range(a.size):
        total += np.float64(abs(a[i]))
    return total

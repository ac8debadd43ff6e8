"""Passes: a transform of `_transforms.py` done for all channels of some rows, as vector instructions.

`_pass(INPUT, 4, ...)` is what `plain_pass(INPUT, 4, ...)` of that file says, in LLVM's language; the functions at the
end, one for each transform, are what `_winograd.py` calls. The size of a tile, 2 or 4, picks the arithmetic.
"""

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minicae.kernels.cpu._jit import helper
from minicae.kernels.cpu._micro import VECTOR_BYTES
from minicae.kernels.cpu._register import Register
from minicae.kernels.cpu._transforms import (
    FILTER,
    FILTER_ADJOINT,
    INPUT,
    OUTPUT,
    OUTPUT_ADJOINT,
    TRANSFORMS,
    plain_last_pass,
    plain_pass,
)


def _data(context, builder, kinds, arguments, position):
    """Pointer to element `arguments[position + 1]` of the array `arguments[position]`."""
    array = cgutils.create_struct_proxy(kinds[position])(context, builder, arguments[position])
    return builder.gep(array.data, [arguments[position + 1]])


def _number(value):
    return ir.Constant(ir.IntType(64), value)


def _over_channels(builder, element, itemsize, count, body):
    """`body(offset, vector type)` for vectors of channels until `count` are done.

    The last vector overlaps the one before it where it must; fewer channels than one vector holds go one by one.
    """
    lanes = VECTOR_BYTES // itemsize
    full = builder.icmp_signed(">=", count, _number(lanes))
    with builder.if_else(full) as (wide, narrow):
        with wide:
            last = builder.sub(count, _number(lanes))
            vectors = builder.sdiv(builder.add(count, _number(lanes - 1)), _number(lanes))
            with cgutils.for_range(builder, vectors) as loop:
                offset = builder.mul(loop.index, _number(lanes))
                beyond = builder.icmp_signed(">", offset, last)
                body(builder.select(beyond, last, offset), ir.VectorType(element, lanes))
        with narrow:
            with cgutils.for_range(builder, count) as loop:
                body(loop.index, ir.VectorType(element, 1))


def _emit(transform, ins):
    """The code of `repeats` passes, each `src_step` and `dst_step` on; source rows outside first..last count as zeros."""

    def generate(context, builder, signature, arguments):
        kinds, arguments = signature.args[2:], arguments[2:]
        src_row, src_step, first, last, repeats, count = arguments[2], arguments[3], *arguments[8:12]
        dst_row, dst_step = arguments[6:8]
        source, target = (_data(context, builder, kinds, arguments, position) for position in (0, 4))
        itemsize = kinds[0].dtype.bitwidth // 8
        inside = [
            builder.and_(builder.icmp_signed("<=", first, _number(j)), builder.icmp_signed("<", _number(j), last))
            for j in range(ins)
        ]
        # rows outside are not there to be read: the first one inside is read in their place, and dropped
        rows = [builder.select(inside[j], _number(j), first) for j in range(ins)]
        with cgutils.for_range(builder, repeats) as loop:
            read = builder.gep(source, [builder.mul(loop.index, src_step)])
            written = builder.gep(target, [builder.mul(loop.index, dst_step)])
            reads = [builder.gep(read, [builder.mul(src_row, row)]) for row in rows]

            def body(offset, vector):
                zero = ir.Constant(vector, [0.0] * vector.count)

                def place(pointer):
                    return builder.bitcast(builder.gep(pointer, [offset]), vector.as_pointer())

                values = [
                    Register(builder, builder.select(keep, builder.load(place(row), align=itemsize), zero))
                    for row, keep in zip(reads, inside)
                ]
                for i, y in enumerate(transform(values)):
                    row = builder.gep(written, [builder.mul(dst_row, _number(i))])
                    builder.store(y.made(), place(row), align=itemsize)

            _over_channels(builder, context.get_value_type(kinds[0].dtype), itemsize, count, body)
        return context.get_dummy_value()

    return generate


def _emit_last(transform, ins):
    """The code of the pass that ends in y: bias added, ReLU or the slope of one applied, only the first n rows written."""

    def generate(context, builder, signature, arguments):
        kinds, arguments = signature.args[1:], arguments[1:]
        src_row, dst_row, n, count = (arguments[i] for i in (2, 5, 6, 7))
        relu, gated = (builder.icmp_signed("!=", flag, _number(0)) for flag in arguments[12:])
        source, target, bias, gate = (_data(context, builder, kinds, arguments, i) for i in (0, 3, 8, 10))
        itemsize = kinds[0].dtype.bitwidth // 8
        reads = [builder.gep(source, [builder.mul(src_row, _number(j))]) for j in range(ins)]

        def body(offset, vector):
            zero, one = (ir.Constant(vector, [number] * vector.count) for number in (0.0, 1.0))

            def place(pointer, row=None):
                pointer = pointer if row is None else builder.gep(pointer, [builder.mul(dst_row, _number(row))])
                return builder.bitcast(builder.gep(pointer, [offset]), vector.as_pointer())

            def positive(where):
                """1, and 0 where `where` is not positive; a NaN counts as positive, and stays visible in a product."""
                return builder.select(builder.fcmp_ordered("<=", where, zero), zero, one)

            values = [Register(builder, builder.load(place(row), align=itemsize)) for row in reads]
            offsets = builder.load(place(bias), align=itemsize)
            for i, y in enumerate(transform(values)):
                with builder.if_then(builder.icmp_signed(">", n, _number(i))):
                    y = builder.fadd(y.made(), offsets)
                    y = builder.select(relu, builder.select(builder.fcmp_ordered("<=", y, zero), zero, y), y)
                    result = cgutils.alloca_once_value(builder, y)
                    with builder.if_then(gated):
                        slope = positive(builder.load(place(gate, i), align=itemsize))
                        builder.store(builder.fmul(y, slope), result)
                    builder.store(builder.load(result), place(target, i), align=itemsize)

        _over_channels(builder, context.get_value_type(kinds[0].dtype), itemsize, count, body)
        return context.get_dummy_value()

    return generate


@intrinsic(prefer_literal=True)
def _pass(
    typing_context,
    kind,
    tile,
    src,
    src_at,
    src_row,
    src_step,
    dst,
    dst_at,
    dst_row,
    dst_step,
    first,
    last,
    repeats,
    count,
):
    i8 = types.int64
    signature = types.void(kind, tile, src, i8, i8, i8, dst, i8, i8, i8, i8, i8, i8, i8)
    generate = _emit(*TRANSFORMS[kind.literal_value, tile.literal_value])
    return signature, generate


@intrinsic(prefer_literal=True)
def _last_pass(
    typing_context,
    tile,
    src,
    src_at,
    src_row,
    dst,
    dst_at,
    dst_row,
    n,
    count,
    bias,
    bias_at,
    gate,
    gate_at,
    relu,
    gated,
):
    i8 = types.int64
    signature = types.void(tile, src, i8, i8, dst, i8, i8, i8, i8, bias, i8, gate, i8, i8, i8)
    return signature, _emit_last(*TRANSFORMS[OUTPUT, tile.literal_value])


if numba.config.DISABLE_JIT:
    _pass, _last_pass = plain_pass, plain_last_pass


@helper
def transform_image(tile, src, src_at, src_row, src_step, dst, dst_at, dst_row, dst_step, first, last, repeats, count):
    """`input_*`; source rows outside first..last count as zeros."""
    if tile == 4:
        _pass(INPUT, 4, src, src_at, src_row, src_step, dst, dst_at, dst_row, dst_step, first, last, repeats, count)
    else:
        _pass(INPUT, 2, src, src_at, src_row, src_step, dst, dst_at, dst_row, dst_step, first, last, repeats, count)


@helper
def transform_filter(tile, src, src_at, src_row, src_step, dst, dst_at, dst_row, dst_step, repeats, count):
    """`filter_*`."""
    if tile == 4:
        _pass(FILTER, 4, src, src_at, src_row, src_step, dst, dst_at, dst_row, dst_step, 0, 3, repeats, count)
    else:
        _pass(FILTER, 2, src, src_at, src_row, src_step, dst, dst_at, dst_row, dst_step, 0, 3, repeats, count)


@helper
def transform_gradient(
    tile, src, src_at, src_row, src_step, dst, dst_at, dst_row, dst_step, first, last, repeats, count
):
    """`output_adjoint_*`; source rows outside first..last count as zeros."""
    if tile == 4:
        _pass(
            OUTPUT_ADJOINT,
            4,
            src,
            src_at,
            src_row,
            src_step,
            dst,
            dst_at,
            dst_row,
            dst_step,
            first,
            last,
            repeats,
            count,
        )
    else:
        _pass(
            OUTPUT_ADJOINT,
            2,
            src,
            src_at,
            src_row,
            src_step,
            dst,
            dst_at,
            dst_row,
            dst_step,
            first,
            last,
            repeats,
            count,
        )


@helper
def transform_filter_back(tile, src, src_at, src_row, src_step, dst, dst_at, dst_row, dst_step, repeats, count):
    """`filter_adjoint_*`."""
    if tile == 4:
        _pass(FILTER_ADJOINT, 4, src, src_at, src_row, src_step, dst, dst_at, dst_row, dst_step, 0, 6, repeats, count)
    else:
        _pass(FILTER_ADJOINT, 2, src, src_at, src_row, src_step, dst, dst_at, dst_row, dst_step, 0, 4, repeats, count)


@helper
def transform_product(tile, src, src_at, src_row, src_step, dst, dst_at, dst_row, dst_step, repeats, count):
    """`output_*`."""
    if tile == 4:
        _pass(OUTPUT, 4, src, src_at, src_row, src_step, dst, dst_at, dst_row, dst_step, 0, 6, repeats, count)
    else:
        _pass(OUTPUT, 2, src, src_at, src_row, src_step, dst, dst_at, dst_row, dst_step, 0, 4, repeats, count)


@helper
def write_pixels(tile, src, src_at, src_row, dst, dst_at, dst_row, n, count, bias, bias_at, gate, gate_at, relu, gated):
    """`output_*` into the first n pixels of a row of y: + bias, then ReLU, or zero where the gate is not positive."""
    if tile == 4:
        _last_pass(4, src, src_at, src_row, dst, dst_at, dst_row, n, count, bias, bias_at, gate, gate_at, relu, gated)
    else:
        _last_pass(2, src, src_at, src_row, dst, dst_at, dst_row, n, count, bias, bias_at, gate, gate_at, relu, gated)

"""Runs of numbers: copied, cleared, added, multiplied. The pieces from which the packing and the narrow products are made.

A loop over `a[start + i]` is not turned into vector instructions, because Numba lets an index be negative and has to ask
each time. So a run is a slice that is indexed from 0, or goes straight to the C library's memcpy.
"""

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minicae.kernels.cpu._jit import helper


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


if numba.config.DISABLE_JIT:

    def copy(source, source_at, target, target_at, count):
        """target[target_at:][:count] = source[source_at:][:count]."""
        target[target_at : target_at + count] = source[source_at : source_at + count]

    def clear(target, target_at, count):
        """target[target_at:][:count] = 0."""
        target[target_at : target_at + count] = 0

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
def add(source, target):
    """target += source."""
    for i in range(target.size):
        target[i] += source[i]


@helper
def add_scaled(source, scale, target):
    """target += scale * source."""
    for i in range(target.size):
        target[i] += scale * source[i]


@helper
def dot(a, b):
    """Sum of a * b."""
    total = a.dtype.type(0)
    for i in range(a.size):
        total += a[i] * b[i]
    return total

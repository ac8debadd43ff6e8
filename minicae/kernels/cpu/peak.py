"""What this machine can do at most: multiply-adds that never leave the registers, and memory that is only copied.

These are the bounds that the speed of a kernel is compared with. Nothing that trains imports this file.
"""

import time

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from minicae.kernels.cpu._jit import entry, helper
from minicae.kernels.cpu._micro import FUSED, VECTOR_BYTES
from minicae.kernels.cpu._vector import copy

LANES = VECTOR_BYTES // 4  # float32 in a vector
CHAINS = 12  # independent sums: more than any processor needs to hide the time of one multiply-add
ROUNDS = 1_000_000  # multiply-adds of each chain in one burst
BURSTS = 20
LEAST_SECONDS = 0.05  # how long copies of one size are repeated


def fma_peak(threads: int) -> float:
    """GFLOP/s of float32 multiply-adds in registers on `threads` threads, the best of several bursts.

    A multiply-add counts as two operations. Raises ValueError for more threads than the pool has.
    """
    sums = np.empty(threads, np.float32)
    work = threads * ROUNDS * CHAINS * LANES
    seconds = _best(threads, lambda: _multiply_add(work, ROUNDS, sums), BURSTS, 0.0)
    return 2 * work / seconds / 1e9


def copy_rate(nbytes: int, threads: int) -> float:
    """GB/s of a copy that reads nbytes / 2 and writes nbytes / 2 on `threads` threads, the best of several.

    A footprint that fits into a cache gives that cache's rate. Raises ValueError for more threads than the pool has.
    """
    source = np.ones(max(1, nbytes // 8), np.float32)
    target = np.zeros_like(source)
    seconds = _best(threads, lambda: _copy(source.size, source, target, threads), 5, LEAST_SECONDS)
    return 2 * source.nbytes / seconds / 1e9


def _best(threads, run, least, seconds):
    """The shortest time of at least `least` runs that last `seconds` together, after one that is not counted."""
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        run()
        best, count, begin = np.inf, 0, time.perf_counter()
        while count < least or time.perf_counter() - begin < seconds:
            start = time.perf_counter()
            run()
            best = min(best, time.perf_counter() - start)
            count += 1
    finally:
        numba.set_num_threads(before)
    return best


@entry
def _multiply_add(rounds, sums):
    for t in prange(sums.size):
        sums[t] = _chains(rounds)


@entry
def _copy(source, target, shares):
    for t in prange(shares):
        first, last = source.size * t // shares, source.size * (t + 1) // shares
        copy(source, first, target, first, last - first)


@intrinsic
def _vector_chains(typing_context, rounds):
    """One lane of CHAINS vectors, each having been multiplied and added to `rounds` times."""

    def generate(context, builder, signature, arguments):
        vector = ir.VectorType(ir.FloatType(), LANES)

        def constant(value):
            return ir.Constant(vector, [value] * LANES)

        def multiply_add(x):
            factor, term = constant(0.5), constant(0.5)  # every sum stays between its start and 1
            if not FUSED:
                return builder.fadd(builder.fmul(x, factor), term)
            kind = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")
            return builder.call(fma, [x, factor, term])

        # The starts differ, or the compiler could keep one chain for all.
        sums = [cgutils.alloca_once_value(builder, constant(1 + chain / 16)) for chain in range(CHAINS)]
        with cgutils.for_range(builder, arguments[0]):
            for place in sums:
                builder.store(multiply_add(builder.load(place)), place)
        total = builder.load(sums[0])
        for place in sums[1:]:
            total = builder.fadd(total, builder.load(place))
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return types.float32(types.int64), generate


if numba.config.DISABLE_JIT:

    def _chains(rounds):
        """As the compiled `_chains`, one sum for all."""
        total = np.float32(CHAINS)
        for _ in range(rounds):
            total = total * np.float32(0.5) + np.float32(CHAINS / 2)
        return total

else:

    @helper
    def _chains(rounds):
        """CHAINS sums after `rounds` multiply-adds, added up."""
        return _vector_chains(rounds)

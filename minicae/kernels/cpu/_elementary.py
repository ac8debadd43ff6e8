"""exp, log and their kin without a branch or a call, so that a loop over them becomes vector instructions.

The way is the same for all: split off a power of two, which costs a few operations on the bits, and sum a short series for
what is left, which is small.

    exp(v) = 2^k exp(r)           k = v / log 2 rounded to a whole number, |r| <= 0.35
    log(v) = k log 2 + log(m)     v = 2^k m, with m between sqrt(1/2) and sqrt(2)

Each comes in both precisions, `_32` and `_64`; the short names at the end choose by the type of their argument. Results are
right to a few units in the last place, a NaN stays one, and what would be smaller than the smallest normal number is 0.

Source: the reductions and their constants are those of fdlibm (Sun Microsystems, 1993).
"""

import math

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

# Without "reassoc", which a `helper` has: it would put the two halves of log 2 together again.
OPTIONS = {"error_model": "numpy", "fastmath": {"contract"}}
exact = register_jitable(**OPTIONS)

F, D = np.float32, np.float64
_SQRT_HALF_32, _ONE_32 = 0x3F3504F3, 0x3F800000  # the bits of sqrt(1/2) and of 1
_SQRT_HALF_64, _ONE_64 = 0x3FE6A09E667F3BCD, 0x3FF0000000000000


@exact
def _parts_32(v):
    """(exp(r) - 1, 2^(k - 1)), both finite. At the limits half of 2^k is 0, or twice the result is infinite, as it should."""
    v = F(88.8) if v > F(88.8) else F(-87.2) if v < F(-87.2) else v
    k = np.rint(v * F(1 / math.log(2)))
    r = (v - k * F(0.693359375)) - k * F(-2.12194440e-4)
    q = F(1 / 5040)
    q = q * r + F(1 / 720)
    q = q * r + F(1 / 120)
    q = q * r + F(1 / 24)
    q = q * r + F(1 / 6)
    q = q * r + F(1 / 2)
    # adding 1.5 * 2^23 leaves the whole number k in the lowest bits
    bits = np.int32(F(k + F(12582912)).view(np.int32) << 23)
    return q * r * r + r, np.int32(bits + (126 << 23)).view(F)


@exact
def _parts_64(v):
    """As `_parts_32`, in float64."""
    v = 709.9 if v > 709.9 else -708.3 if v < -708.3 else v
    k = np.rint(v * (1 / math.log(2)))
    r = (v - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10
    q = 1 / 6227020800
    q = q * r + 1 / 479001600
    q = q * r + 1 / 39916800
    q = q * r + 1 / 3628800
    q = q * r + 1 / 362880
    q = q * r + 1 / 40320
    q = q * r + 1 / 5040
    q = q * r + 1 / 720
    q = q * r + 1 / 120
    q = q * r + 1 / 24
    q = q * r + 1 / 6
    q = q * r + 1 / 2
    bits = D(k + 6755399441055744.0).view(np.int64) << 52
    return q * r * r + r, np.int64(bits + (1022 << 52)).view(D)


@exact
def _exp_32(v):
    q, half = _parts_32(v)
    return (half * q + half) * F(2)


@exact
def _exp_64(v):
    q, half = _parts_64(v)
    return (half * q + half) * 2.0


@exact
def _expm1_32(v):
    q, half = _parts_32(v)
    return (half * q + (half - F(0.5))) * F(2)


@exact
def _expm1_64(v):
    q, half = _parts_64(v)
    return (half * q + (half - 0.5)) * 2.0


@exact
def _log_32(u, less):
    """log(u), where `less` is u - 1; while k is 0 it is used as it comes, so that no digit of it is lost."""
    bits = np.int32(F(abs(u)).view(np.int32) + (_ONE_32 - _SQRT_HALF_32))
    k = F(np.int32((bits >> 23) - 127))
    f = less if k == F(0) else np.int32((bits & 0x7FFFFF) + _SQRT_HALF_32).view(F) - F(1)
    s = f / (F(2) + f)
    z = s * s
    t = F(2 / 9)
    t = t * z + F(2 / 7)
    t = t * z + F(2 / 5)
    t = t * z + F(2 / 3)
    log = k * F(math.log(2)) + (f - s * (f - t * z))
    return log if u >= F(0) else F(math.nan)


@exact
def _log_64(u, less):
    """As `_log_32`, in float64."""
    bits = D(abs(u)).view(np.int64) + (_ONE_64 - _SQRT_HALF_64)
    # the exponent, written into the lowest bits of 2^52, is a number without a conversion
    k = np.int64(((bits >> 52) & 0xFFF) | 0x4330000000000000).view(D) - (4503599627370496.0 + 1023.0)
    f = less if k == 0.0 else np.int64((bits & 0xFFFFFFFFFFFFF) + _SQRT_HALF_64).view(D) - 1.0
    s = f / (2.0 + f)
    z = s * s
    t = 2 / 21
    t = t * z + 2 / 19
    t = t * z + 2 / 17
    t = t * z + 2 / 15
    t = t * z + 2 / 13
    t = t * z + 2 / 11
    t = t * z + 2 / 9
    t = t * z + 2 / 7
    t = t * z + 2 / 5
    t = t * z + 2 / 3
    log = k * math.log(2) + (f - s * (f - t * z))
    return log if u >= 0.0 else math.nan


@exact
def _log1p_32(v):
    return _log_32(F(1) + v, v)


@exact
def _log1p_64(v):
    return _log_64(1.0 + v, v)


@exact
def _tanh_32(v):
    e = _expm1_32(F(-2) * abs(v))
    return math.copysign(e / (F(2) + e), v)


@exact
def _tanh_64(v):
    e = _expm1_64(-2.0 * abs(v))
    return math.copysign(e / (2.0 + e), v)


def _either(single, double):
    """The function that is `single` for a float32 and `double` for a float64."""

    def choose(v):
        return single(v) if v.dtype == F else double(v)

    @overload(choose, jit_options=OPTIONS)
    def chosen(v):
        return (lambda v: single(v)) if v == types.float32 else (lambda v: double(v))

    return choose


exp = _either(_exp_32, _exp_64)
expm1 = _either(_expm1_32, _expm1_64)
log1p = _either(_log1p_32, _log1p_64)
tanh = _either(_tanh_32, _tanh_64)


@exact
def log(v):
    """log(v) of a float64; of 0 it is some number below -700."""
    return _log_64(v, v - 1.0)

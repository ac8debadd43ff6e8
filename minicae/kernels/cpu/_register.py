"""Vectors in registers that can be added and scaled, so that arithmetic written in Python becomes instructions."""

from llvmlite import ir
from numba.core import cgutils

from minicae.kernels.cpu._micro import FUSED


class Register:
    """A vector in a register times a number: arithmetic on it is written down as instructions.

    A product is not made until it is needed, and then together with a sum where the host can. Which product goes with
    which sum is settled here: left to the compiler, it would differ from one compilation to the next, and so would bits.
    """

    def __init__(self, builder, vector, factor=1.0):
        self.builder, self.vector, self.factor = builder, vector, factor

    def __mul__(self, number):
        return Register(self.builder, self.vector, self.factor * number)

    def __sub__(self, other):
        return self + other * -1.0

    def __add__(self, other):
        if self.factor == 1:
            self, other = other, self
        total = self._times(other.made()) if abs(self.factor) != 1 else self._plus(other.made())
        return Register(self.builder, total)

    def made(self):
        """The vector with the number multiplied in."""
        return self.vector if self.factor == 1 else self.builder.fmul(self.vector, self._number())

    def _plus(self, total):
        verb = self.builder.fadd if self.factor == 1 else self.builder.fsub
        return verb(total, self.vector)

    def _times(self, total):
        """vector * factor + total."""
        if not FUSED:
            return self.builder.fadd(self.made(), total)
        kind = self.vector.type
        bits = 64 if isinstance(kind.element, ir.DoubleType) else 32
        fma = ir.FunctionType(kind, [kind] * 3)
        function = cgutils.get_or_insert_function(self.builder.module, fma, f"llvm.fma.v{kind.count}f{bits}")
        return self.builder.call(function, [self.vector, self._number(), total])

    def _number(self):
        return ir.Constant(self.vector.type, [self.factor] * self.vector.type.count)

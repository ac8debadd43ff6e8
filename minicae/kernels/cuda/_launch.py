"""How a kernel is written, compiled and launched: everything that this backend takes from numba.cuda is taken here.

A kernel is a function of one thread of many, marked with `@kernel` and a letter for each argument:

    R  array of the real type, float32 or float64     r  number of that type
    D  array of float64                               i  integer
    I  array of int32                                 P  array of places in a window, uint8 or int32

`launch` runs it with a thread for each of so many elements, `run` on a grid of blocks. Both hand the arrays over flat, cast
the numbers, and return at once: the device works through its kernels in their order, and only `download` waits for them.
Every kernel serves both real types. A literal would be a float64, so constants are made from the type at hand,
`x.dtype.type(1)`, or come in as arguments.

Without a GPU, NUMBA_ENABLE_CUDASIM=1 runs the same functions in the simulator, a thread of Python's for each thread. It is
made stricter here: shared and local arrays start as NaN in every block, so that what is read before it is written shows, and
NumPy cannot take an array of the device for one of its own.
"""

import functools
import importlib
import importlib.util
import sys
import threading
import warnings

import numpy as np
from numba.core import config

SIMULATED = bool(config.ENABLE_CUDASIM)

if not SIMULATED:
    if importlib.util.find_spec("numba_cuda") is None:
        raise ImportError('numba-cuda is not installed: pip install "minicae[cuda]"')
    if not hasattr(np, "row_stack"):  # gone from NumPy 2.5; numba-cuda 0.30 looks it up once, in this import
        vars(np)["row_stack"] = np.vstack
        try:
            importlib.import_module("numba.cuda.np.arrayobj")
        finally:
            del vars(np)["row_stack"]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the simulator that comes with Numba says that it is deprecated
    from numba import cuda
    from numba.core import types

if not SIMULATED:
    from llvmlite import ir
    from numba.cuda import types
    from numba.cuda.core import config as occupancy
    from numba.cuda.cudadrv.devicearray import DeviceNDArray
    from numba.cuda.extending import intrinsic

    occupancy.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # small batches make small grids
    if not cuda.is_available():
        raise ImportError("no GPU was found; NUMBA_ENABLE_CUDASIM=1 simulates one, slowly")

if SIMULATED:
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray as DeviceNDArray

float32, float64 = types.float32, types.float64

BLOCK = 32 if SIMULATED else 256  # threads of a block where nothing depends on it
KERNELS = {}  # "file.function": the kernel


class Kernel:
    """A function of one thread, compiled at its first launch with each pair of types."""

    def __init__(self, function, letters: str, bounds: tuple | None):
        self.function, self.letters, self.bounds = function, letters, bounds
        self.versions = {}
        self._real = letters.index("R")
        self._places = letters.find("P")

    def signature(self, real, places=types.uint8):
        """The types of the arguments, as Numba writes them."""
        real, places = as_type(real), as_type(places)
        arrays = {"R": real, "D": float64, "I": types.int32, "P": places}
        numbers = {"r": real, "i": types.int32}
        kinds = (types.Array(arrays[k], 1, "C") if k in arrays else numbers[k] for k in self.letters)
        return types.void(*kinds)

    def version(self, real, places):
        """The kernel compiled for these types."""
        found = self.versions.get((real, places))
        if found is None:
            options = {} if SIMULATED or self.bounds is None else {"launch_bounds": self.bounds}
            found = cuda.jit(self.signature(real, places), **options)(self.function)
            self.versions[real, places] = found
        return found


def as_type(dtype):
    """Numba's name of a NumPy dtype."""
    return dtype if isinstance(dtype, types.Type) else getattr(types, np.dtype(dtype).name)


def kernel(letters: str, bounds: tuple | None = None, name: str = ""):
    """Makes a kernel of a function; bounds are its threads a block, and the blocks that a multiprocessor is to hold."""

    def register(function):
        made = Kernel(function, letters, bounds)
        KERNELS[f"{function.__module__.rpartition('.')[2]}.{name or function.__name__}"] = made
        return made

    return register


def device(function):
    """Makes a function that kernels may call. It may not use `cuda`, since it can lie in another file."""
    return function if SIMULATED else cuda.jit(device=True, inline="always")(function)


def run(made: Kernel, grid, block, *arguments) -> None:
    """Launches a kernel on a grid of blocks."""
    real = arguments[made._real].dtype
    places = arguments[made._places].dtype if made._places >= 0 else None
    whole = int if SIMULATED else np.int32
    cast = {"r": real.type, "i": whole}
    ready = [cast.get(letter, flat)(value) for letter, value in zip(made.letters, arguments, strict=True)]
    made.version(real, places or np.dtype(np.uint8))[grid, block](*ready)


def launch(made: Kernel, size: int, *arguments) -> None:
    """Launches a kernel with at least `size` threads; none where there is nothing to do."""
    if size:
        run(made, -(-size // BLOCK), BLOCK, *arguments)


def flat(array):
    """The array as a vector: a view, made once for each array."""
    if array.ndim == 1:
        return array
    view = getattr(array, "_flat", None)
    if view is None:
        view = array._flat = array.reshape(array.size)
    return view


def aligned(*arrays) -> bool:
    """Whether all arrays begin where 128 bits can be read at once."""
    if SIMULATED:
        return all(array._ary.ctypes.data % 16 == 0 for array in arrays)
    return all(array.__cuda_array_interface__["data"][0] % 16 == 0 for array in arrays)


@functools.cache
def scratch(use: str, dtype, size: int):
    """Working memory on the device: one array for each use and size, kept for good, so that its address never changes."""
    return cuda.device_array(max(1, size), dtype)


@functools.cache
def nothing(dtype):
    """What a kernel is given for an array that is not there."""
    return cuda.device_array(4, dtype)


def placed(host: np.ndarray):
    """A new array on the device with the numbers of `host`."""
    return cuda.to_device(np.ascontiguousarray(host))


if SIMULATED:
    from numba.cuda.simulator import kernelapi

    def _attribute(self, name):
        if name not in ("size", "dtype", "ndim", "strides", "flags", "squeeze"):
            raise AttributeError(f"an array on the device has no {name} here: download it")
        return getattr(self._ary, name)

    def _refused(self, *arguments, **named):
        raise TypeError("NumPy was given an array that lies on the device: download it")

    DeviceNDArray.__getattr__ = _attribute
    DeviceNDArray.__array__ = DeviceNDArray.__array_ufunc__ = DeviceNDArray.__float__ = _refused
    for _name in ("add", "sub", "mul", "truediv", "lt", "le", "gt", "ge", "eq", "ne"):
        setattr(DeviceNDArray, f"__{_name}__", _refused)

    def _nan(shape, dtype):
        dtype = np.dtype(getattr(dtype, "name", dtype))
        return np.full(shape, np.nan, dtype) if dtype.kind == "f" else np.empty(shape, dtype)

    def _shared(self, shape, dtype, alignment=None):
        frame, block = sys._getframe(1), threading.current_thread().blockIdx
        key = (block.x, block.y, block.z, frame.f_code.co_filename, frame.f_lineno)
        with kernelapi.addlock:
            if key not in self._allocations:
                self._allocations[key] = _nan(shape, dtype)
        return self._allocations[key]

    kernelapi.FakeCUDAShared.array = _shared
    kernelapi.FakeCUDALocal.array = lambda self, shape, dtype, alignment=None: _nan(shape, dtype)

    def ld4(array, i):
        """Four neighbours, read at once; array[i] must lie on a multiple of 16 bytes."""
        return array[i], array[i + 1], array[i + 2], array[i + 3]

    def st4(array, i, x, y, z, w):
        """Four neighbours, written at once; array[i] must lie on a multiple of 16 bytes."""
        array[i], array[i + 1], array[i + 2], array[i + 3] = x, y, z, w

    def divide(i, n):
        """i // n and i % n, for 0 <= i < 2^31, in 32 bits: a division in 64 bits takes several times as long."""
        return divmod(i, n)

else:

    def _four(context, builder, kind, array, i):
        """Pointer to a vector of four at array[i]."""
        start = builder.gep(context.make_array(kind)(context, builder, array).data, [i])
        return builder.bitcast(start, ir.VectorType(ir.FloatType(), 4).as_pointer(start.type.addrspace))

    def _lane(k):
        return ir.Constant(ir.IntType(32), k)

    @intrinsic
    def ld4(typing, array, i):
        """Four neighbours, read at once; array[i] must lie on a multiple of 16 bytes."""

        def generate(context, builder, signature, values):
            four = builder.load(_four(context, builder, signature.args[0], *values), align=16)
            return context.make_tuple(
                builder, signature.return_type, [builder.extract_element(four, _lane(k)) for k in range(4)]
            )

        return types.UniTuple(float32, 4)(array, types.intp), generate

    @intrinsic
    def st4(typing, array, i, x, y, z, w):
        """Four neighbours, written at once; array[i] must lie on a multiple of 16 bytes."""

        def generate(context, builder, signature, values):
            four = ir.Constant(ir.VectorType(ir.FloatType(), 4), ir.Undefined)
            for k in range(4):
                four = builder.insert_element(four, values[2 + k], _lane(k))
            builder.store(four, _four(context, builder, signature.args[0], *values[:2]), align=16)
            return context.get_dummy_value()

        return types.void(array, types.intp, float32, float32, float32, float32), generate

    @intrinsic
    def divide(typing, i, n):
        """i // n and i % n, for 0 <= i < 2^31, in 32 bits: a division in 64 bits takes several times as long."""

        def generate(context, builder, signature, values):
            pair = builder.udiv(*values), builder.urem(*values)
            return context.make_tuple(builder, signature.return_type, pair)

        return types.UniTuple(types.int32, 2)(types.int32, types.int32), generate

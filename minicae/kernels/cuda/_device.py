"""Everything that this backend takes from numba.cuda, and the simulator in its place.

NumPy 2.5, small batches and the simulator that comes with Numba each get a word in their ear. Without a GPU,
NUMBA_ENABLE_CUDASIM=1 runs the kernels in the simulator, a thread of Python's for each thread. It is made stricter here:
shared and local arrays start as NaN in every block, so that what is read before it is written shows, and NumPy cannot take
an array of the device for one of its own.
"""

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
    from numba.cuda.cudadrv.driver import binding, device_to_host, driver, host_to_device
    from numba.cuda.extending import intrinsic

    occupancy.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # small batches make small grids
    if not cuda.is_available():
        raise ImportError("no GPU was found; NUMBA_ENABLE_CUDASIM=1 simulates one, slowly")

float32, float64 = types.float32, types.float64

if SIMULATED:
    from numba.cuda.simulator import kernelapi
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray as DeviceNDArray

    binding = driver = None  # there is nothing to drive

    def send(host, array, stream=0):
        """array = host, on the device; both contiguous, of one shape and dtype. No stream: once all before it is done."""
        array.copy_to_device(host)

    def fetch(array):
        """A copy of an array of the device, once all before it is done."""
        return array.copy_to_host()

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
    _own = threading.local()

    def attach():
        """Let this thread use the device; Numba sees to it in most of its calls."""
        if not vars(_own):
            _own.context = cuda.current_context()

    def send(host, array, stream=0):
        """array = host, on the device; both contiguous, of one shape and dtype. No stream: once all before it is done."""
        attach()
        host_to_device(array, host, host.nbytes, stream)

    def fetch(array):
        """A copy of an array of the device, once all before it is done."""
        attach()
        host = np.empty(array.shape, array.dtype)
        if host.size:
            device_to_host(host, array, host.nbytes)
        return host

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

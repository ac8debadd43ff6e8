"""What a driver refuses and the simulator allows, asked of the stand-in itself. tests/kernels/test_driver.py runs it."""

import contextlib
import threading
import types

import numpy as np
import pytest
from numba import cuda
from numba.cuda.cudadrv.driver import CudaAPIError, driver

from minicae.kernels import backend
from minicae.kernels.cuda import peak
from minicae.kernels.cuda._launch import KERNELS

RELAXED = 2  # mode of a capture
REAL = np.dtype(np.float32)


@contextlib.contextmanager
def refused(code):
    """The call ends with this error of the driver."""
    with pytest.raises(Exception, match=code) as caught:
        yield
    assert not isinstance(caught.value, AssertionError)


def clip():
    """A kernel of two arguments, compiled."""
    return KERNELS["guard._clip"].version(REAL, np.dtype(np.uint8))


def borrowed(count):
    """The address of new memory, and an array there that will not free it."""
    at = int(driver.cuMemAlloc(count * REAL.itemsize))
    interface = {"shape": (count,), "typestr": REAL.str, "data": (at, False), "version": 3}
    return at, cuda.as_cuda_array(types.SimpleNamespace(__cuda_array_interface__=interface))


def copies_stay_inside():
    """A copy that begins or ends outside of its allocation, and one to what was freed."""
    at, host = int(driver.cuMemAlloc(64)), np.arange(32, dtype=REAL)
    driver.cuMemcpyHtoD(at + 16, host.ctypes.data, 48)
    back = np.zeros(4, REAL)
    driver.cuMemcpyDtoH(back.ctypes.data, at + 32, 16)
    assert back.tolist() == [4, 5, 6, 7]
    for where, size in ((at + 16, 52), (at - 4, 8), (host.ctypes.data, 8), (at + 64, 4)):
        with refused("INVALID_VALUE"):
            driver.cuMemcpyHtoD(where, host.ctypes.data, size)
    driver.cuMemFree(at)
    for call, *arguments in (
        (driver.cuMemcpyHtoD, at, host.ctypes.data, 4), (driver.cuMemsetD8, at, 0, 4), (driver.cuMemFree, at)
    ):  # fmt: skip
        with refused("INVALID_VALUE"):
            call(*arguments)


def threads_need_a_context():
    """numba makes one current where it is asked; a call of the driver alone does not."""
    said = []

    def call():
        try:
            driver.cuMemAlloc(64)
        except CudaAPIError as error:
            said.append(error.code.name)
        cuda.current_context()
        driver.cuMemFree(driver.cuMemAlloc(64))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert said == ["CUDA_ERROR_INVALID_CONTEXT"]


def launches_are_sound():
    """A grid and a block that a device does not have, threads beyond a kernel's bounds, an array that was freed."""
    (at, array), kernel = borrowed(300), clip()
    kernel[2, 256](array, REAL.type(2))
    for grid, block in (((1, 65536), 32), (1, 1025), (1, (1, 1, 65))):
        with refused("INVALID_VALUE"):
            kernel[grid, block](array, REAL.type(2))
    bounded, made = KERNELS["_weigh._weigh"], KERNELS["_weigh._weigh"].version(REAL, np.dtype(np.uint8))
    numbers = [np.int32(1)] * bounded.letters.count("i")
    made[1, bounded.bounds[0]](array, array, array, *numbers)
    with refused("INVALID_VALUE"):
        made[1, bounded.bounds[0] + 32](array, array, array, *numbers)
    driver.cuMemFree(at)
    with refused("ILLEGAL_ADDRESS"):
        kernel[2, 256](array, REAL.type(2))


def a_capture_is_replayed():
    """Nothing is done before the graph is launched, then all of it, and each time anew."""
    stream, host = cuda.stream(), cuda.pinned_array(300, REAL)
    (at, array), other, host[:] = borrowed(300), cuda.device_array(300, REAL), 5
    handle = int(stream.handle)
    driver.cuStreamBeginCapture(handle, RELAXED)
    assert int(driver.cuStreamIsCapturing(handle)) == 1
    array.copy_to_device(host, stream=stream)
    clip()[2, 256, stream](array, REAL.type(2))
    other.copy_to_device(array, stream=stream)
    graph = driver.cuStreamEndCapture(handle)
    assert int(driver.cuStreamIsCapturing(handle)) == 0
    ready = driver.cuGraphInstantiate(graph, 0)
    driver.cuGraphDestroy(graph)
    assert not other.copy_to_host().any()
    for number in (5, 6):
        host[:] = number
        driver.cuGraphLaunch(ready, handle)
        stream.synchronize()
        assert (other.copy_to_host() == number).all()
    driver.cuMemFree(at)
    with refused("ILLEGAL_ADDRESS"):
        driver.cuGraphLaunch(ready, handle)
    driver.cuGraphExecDestroy(ready)


def a_capture_is_easily_spoilt():
    """By what waits, allocates or frees, and by work on another stream."""
    handle, other = int(cuda.stream().handle), cuda.stream()
    array, host, kernel = cuda.to_device(np.ones(4, REAL)), np.zeros(4, REAL), clip()
    end, spare = cuda.event(), int(driver.cuMemAlloc(4))
    for disturb, code in (
        (lambda: kernel[1, 32](array, REAL.type(2)), "IMPLICIT"),
        (lambda: array.copy_to_host(host), "IMPLICIT"),
        (lambda: end.record(), "IMPLICIT"),
        (lambda: array.copy_to_device(host, stream=other), "CAPTURE_UNSUPPORTED"),
        (lambda: driver.cuMemAlloc(4), "CAPTURE_UNSUPPORTED"),
        (lambda: driver.cuMemFree(spare), "CAPTURE_UNSUPPORTED"),
        (lambda: driver.cuStreamSynchronize(handle), "CAPTURE_UNSUPPORTED"),
        (lambda: end.synchronize(), "CAPTURE_UNSUPPORTED"),
        (cuda.synchronize, "CAPTURE_UNSUPPORTED"),
    ):
        driver.cuStreamBeginCapture(handle, RELAXED)
        with refused(code):
            disturb()
        with pytest.raises(CudaAPIError, match="CAPTURE_INVALIDATED"):
            driver.cuStreamEndCapture(handle)
    driver.cuStreamBeginCapture(handle, RELAXED)
    driver.cuGraphDestroy(driver.cuStreamEndCapture(handle))


def events_tell_the_time():
    """The benchmark's clock, and its copies on the device."""
    assert peak.milliseconds(lambda: sum(range(10_000))) > 0
    assert peak.copy_rate(1 << 16, repeats=2, before=1) > 0
    end = cuda.event()
    with refused("INVALID_HANDLE"):
        cuda.event_elapsed_time(cuda.event(), end)


if __name__ == "__main__":
    backend("cuda")
    cuda.current_context()
    for rule in (
        copies_stay_inside,
        threads_need_a_context,
        launches_are_sound,
        a_capture_is_replayed,
        a_capture_is_easily_spoilt,
        events_tell_the_time,
    ):
        rule()
        print(rule.__name__)

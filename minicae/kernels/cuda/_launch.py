"""How a kernel is written, compiled and launched.

A kernel is a function of one thread of many, marked with `@kernel` and a letter for each argument:

    R  array of the real type, float32 or float64     r  number of that type
    D  array of float64                               i  integer
    I  array of int32                                 P  array of places in a window, uint8 or int32
    N  numbers of the real type that change from step to step: a tuple here, an array for the kernel

`launch` runs it with a thread for each of so many elements, `run` on a grid of blocks. Both hand the arrays over flat, cast
the numbers, and return at once: the device works through its kernels in their order, and only `download` waits for them.
Every kernel serves both real types. A literal would be a float64, so constants are made from the type at hand,
`x.dtype.type(1)`, or come in as arguments.
"""

import functools
import threading

import numpy as np

from minicae.kernels.cuda._device import SIMULATED, cuda, float64, types
from minicae.kernels.cuda._queue import LOCK, QUEUE, mark, stream

BLOCK = 32 if SIMULATED else 256  # threads of a block where nothing depends on it
KERNELS = {}  # "file.function": the kernel
_own = threading.local()


class Kernel:
    """A function of one thread, compiled at its first launch with each pair of types."""

    def __init__(self, function, letters: str, bounds: tuple | None):
        self.function, self.letters, self.bounds = function, letters, bounds
        self.versions = {}
        self.real = letters.index("R")
        self.places = letters.find("P")
        self.changing = letters.find("N")
        self.arrays = [place for place, letter in enumerate(letters) if letter in "RDIP"]

    def signature(self, real, places=types.uint8):
        """The types of the arguments, as Numba writes them."""
        real, places = as_type(real), as_type(places)
        arrays = {"R": real, "D": float64, "I": types.int32, "P": places, "N": real}
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
    """Launches a kernel on a grid of blocks, or puts it in the queue with others."""
    marks, numbers = [made, grid, block, *arguments], ()
    for place in made.arrays:
        marks[3 + place] = mark(arguments[place])
    if made.changing >= 0:
        numbers, marks[3 + made.changing] = arguments[made.changing], None
    ready = functools.partial(_ready, made, grid, block, arguments)
    QUEUE.put(tuple(marks), ready, arguments[made.real].dtype, numbers)


def _ready(made, grid, block, arguments, numbers):
    """A function that launches."""
    real = arguments[made.real].dtype
    places = np.dtype(np.uint8) if made.places < 0 else arguments[made.places].dtype
    cast = {"r": real.type, "i": int if SIMULATED else np.int32, "N": lambda _: numbers}
    ready = [cast.get(letter, flat)(value) for letter, value in zip(made.letters, arguments, strict=True)]
    version = made.version(real, places)
    return lambda: version[grid, block, stream()](*ready)


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
    return all(mark(array)[0] % 16 == 0 for array in arrays)


def scratch(use: str, dtype, size: int):
    """Working memory on the device: one array for each use and size, kept while the thread lives, at one address."""
    held, name = vars(_own), (use, dtype, size)
    if name not in held:
        held[name] = cuda.device_array(max(1, size), dtype)
    return held[name]


@functools.cache
def nothing(dtype):
    """What a kernel is given for an array that is not there."""
    return cuda.device_array(4, dtype)


def verdict(gradients):
    """An array of one number: 0 unless `keep_if_finite` last found these gradients, or what came with them, not finite."""
    bad = getattr(gradients, "_verdict", None)
    if bad is None:
        bad = gradients._verdict = placed(np.zeros(1, gradients.dtype))
    return bad


def placed(host: np.ndarray):
    """A new array on the device with the numbers of `host`."""
    with LOCK:
        return cuda.to_device(np.ascontiguousarray(host))

"""The backends: modules of kernels with the same names and the same signatures.

`reference` is NumPy, short and readable: the definition. `cpu` is Numba, fast. Which one a model runs on is one argument,
`backend="cpu"`. `cuda` is numba.cuda: its kernels take arrays that lie on the device, made by its `empty` and filled by its
`upload`. Every backend has these two and `download`, so that what is above this floor need not know the difference; where
arrays of NumPy are at hand, `hosted` gives kernels that take them.
"""

import functools
import importlib
from types import ModuleType, SimpleNamespace

import numpy as np

from minicae.errors import BackendError
from minicae.later import Later
from minicae.memory import aligned

REMEDIES = {  # what to do where a backend cannot be imported
    "reference": "it needs NumPy only",
    "cpu": "backend='reference' needs NumPy only",
    "cuda": "backend='cpu' needs no GPU",
}
NAMES = tuple(REMEDIES)


def backend(name: str) -> ModuleType:
    """The module of kernels called `name`, imported at its first use.

    Raises BackendError where there is no such backend, or where what it needs is not installed or not well set.
    """
    if not isinstance(name, str) or name not in NAMES:
        raise BackendError(f"there is no backend {name!r}: choose one of {', '.join(map(repr, NAMES))}")
    return _module(name)


def on_device(module: ModuleType | SimpleNamespace) -> bool:
    """Whether these kernels take arrays of a device, and not NumPy's."""
    return getattr(module, "ON_DEVICE", False)


def is_away(array) -> bool:
    """Whether the array lies on a device: it is none of NumPy, and has to be downloaded before NumPy can read it."""
    return not isinstance(array, np.ndarray) and hasattr(array, "copy_to_host")  # the first is quick to tell


def serving(name: str, array) -> ModuleType | SimpleNamespace:
    """The backend's kernels for this array: as they are, or `hosted` where it is one of NumPy."""
    return hosted(name) if isinstance(array, np.ndarray) else backend(name)


def hosted(name: str) -> ModuleType | SimpleNamespace:
    """The backend with kernels that take NumPy arrays: itself, or copies of all arrays go to its device and back."""
    module = backend(name)
    return _behind_arrays(module) if on_device(module) else module


@functools.cache
def _behind_arrays(module):
    there_and_back = {kernel: _there_and_back(getattr(module, kernel), module) for kernel in module.__all__}
    own = {"conv2d_algorithm": module.conv2d_algorithm, "ON_DEVICE": False}
    own |= {"empty": aligned, "upload": lambda host, array: np.copyto(array, host), "download": np.array}
    return SimpleNamespace(**vars(module) | there_and_back | own)


def _there_and_back(kernel, module):
    @functools.wraps(kernel)
    def call(*arguments, **named):
        moved = {}  # what is given twice is one array there, too

        def move(value):
            if isinstance(value, tuple):  # (an array, its activation, alpha), or sizes
                return tuple(map(move, value))
            if not isinstance(value, np.ndarray):
                return value
            memory = value.__array_interface__["data"][0], value.shape, value.strides
            if memory not in moved:
                moved[memory] = value, module.empty(value.shape, value.dtype)
                module.upload(*moved[memory])
            return moved[memory][1]

        result = kernel(*map(move, arguments), **{name: move(value) for name, value in named.items()})
        for host, array in moved.values():
            if host.flags.writeable:
                host[...] = module.download(array)
        return result.value if isinstance(result, Later) else result

    return call


@functools.cache
def _module(name):
    try:
        return importlib.import_module(f"minicae.kernels.{name}")
    except (ImportError, ValueError, RuntimeError) as error:  # Numba refuses settings of its own, such as 0 threads
        reason = " ".join(str(error).split())
        raise BackendError(f"backend {name!r} cannot be imported: {reason}; {REMEDIES[name]}") from None


def available() -> list[str]:
    """Names of the backends that can be used on this machine; each is imported to find out."""
    usable = []
    for name in NAMES:
        try:
            backend(name)
        except BackendError:
            continue
        usable.append(name)
    return usable

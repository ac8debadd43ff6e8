"""The backends: modules of kernels with the same names and the same signatures.

`reference` is NumPy, short and readable: the definition. `cpu` is Numba, fast. Which one a model runs on is one argument,
`backend="cpu"`; nothing above this floor knows the difference. `cuda` is numba.cuda: its kernels take arrays that lie on
the device, made by its `empty` and filled by its `upload`. Every backend has these two and `download`.
"""

import functools
import importlib
from types import ModuleType

from minicae.errors import BackendError

REMEDIES = {  # what to do where a backend cannot be imported
    "reference": "it needs NumPy only",
    "cpu": "backend='reference' needs NumPy only",
    "cuda": "backend='cpu' needs no GPU",
}
NAMES = tuple(REMEDIES)


def backend(name: str) -> ModuleType:
    """The module of kernels called `name`, imported at its first use.

    Raises BackendError where there is no such backend, or where what it needs is not installed.
    """
    if not isinstance(name, str) or name not in NAMES:
        raise BackendError(f"there is no backend {name!r}: choose one of {', '.join(map(repr, NAMES))}")
    return _module(name)


@functools.cache
def _module(name):
    try:
        return importlib.import_module(f"minicae.kernels.{name}")
    except ImportError as error:
        raise BackendError(f"backend {name!r} cannot be imported: {error}; {REMEDIES[name]}") from error


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

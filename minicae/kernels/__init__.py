"""The backends: modules of kernels with the same names and the same signatures.

`reference` is NumPy, short and readable: the definition. `cpu` is Numba, fast. Which one a model runs on is one argument,
`backend="cpu"`; nothing above this floor knows the difference.
"""

import functools
import importlib
from types import ModuleType

from minicae.errors import BackendError

NAMES = ("reference", "cpu")


def backend(name: str) -> ModuleType:
    """The module of kernels called `name`, imported at its first use.

    Raises BackendError where there is no such backend, or where what it needs is not installed or not well set.
    """
    if not isinstance(name, str) or name not in NAMES:
        raise BackendError(f"there is no backend {name!r}: choose one of {', '.join(map(repr, NAMES))}")
    return _module(name)


@functools.cache
def _module(name):
    try:
        return importlib.import_module(f"minicae.kernels.{name}")
    except (ImportError, ValueError, RuntimeError) as error:  # Numba refuses settings of its own, such as 0 threads
        reason, remedy = " ".join(str(error).split()), "backend='reference' needs NumPy only"
        raise BackendError(f"backend {name!r} cannot be imported: {reason}; {remedy}") from None


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

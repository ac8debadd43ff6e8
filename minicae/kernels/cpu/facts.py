"""What this backend runs on: the pool of threads, the vectors that the host has, the folder of compiled kernels."""

from pathlib import Path

import numba

from minicae.kernels.cpu._jit import in_every_version
from minicae.kernels.cpu._micro import VECTOR_BYTES
from minicae.kernels.cpu.memory import _add


def facts():
    """As `reference.facts.facts`."""
    cache = getattr(_add.serial, "_cache", None)
    folder = getattr(cache, "cache_path", None)
    return {
        "threads": str(numba.get_num_threads()),
        "threading layer": numba.threading_layer(),
        "vectors": f"{8 * VECTOR_BYTES} bits",
        "cache": str(Path(folder)) if folder else "",
    }


def compile_for(call):
    """As `reference.facts.compile_for`."""
    return in_every_version(call)

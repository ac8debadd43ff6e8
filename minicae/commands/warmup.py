"""`minicae warmup`: compile now what would be compiled later."""

import functools
import time

import numpy as np

from minicae import kernels

EXAMPLE = "minicae warmup --dtype both"


def options(option):
    """The arguments of the command."""
    names = ("float32", "float64", "both")
    option("--dtype", choices=names, default="float32", metavar="NAME", help=f"{', '.join(names)} (%(default)s)")


def run(arguments):
    """Compile all kernels now and keep them, so that no first step has to wait."""
    backend, begin, compiled = kernels.backend("cpu"), time.perf_counter(), 0
    for dtype in ("float32", "float64") if arguments.dtype == "both" else (arguments.dtype,):
        for name, call in _calls(backend, dtype):
            start = time.perf_counter()
            count = backend.compile_for(call)
            compiled += count
            if count:
                print(f"{time.perf_counter() - start:8.1f} s  {name} {dtype}", flush=True)
    what = f"{compiled} versions compiled" if compiled else "all were compiled already"
    folder = backend.facts()["cache"]
    kept = f"kept in {folder}" if folder else "kept nowhere, as no folder for them can be written"
    print(f"{time.perf_counter() - begin:8.1f} s  {what}; {kept}")


def _calls(backend, dtype):
    """(name, function without arguments) of calls that between them reach every kernel in this dtype."""
    from minicae.inspection.doctor import calls

    for name, *arguments in calls(np.random.default_rng(0)):
        only_single = any(isinstance(one, str) and one.startswith("winograd") for one in arguments)
        if dtype == "float32" or not only_single:
            yield name, functools.partial(getattr(backend, name), *_cast(arguments, dtype))


def _cast(arguments, dtype):
    """The same arguments with float32 arrays in `dtype`; arrays of other kinds are always of that kind."""
    for one in arguments:
        if isinstance(one, tuple):
            yield tuple(_cast(one, dtype))
        else:
            yield one.astype(dtype) if isinstance(one, np.ndarray) and one.dtype == np.float32 else one

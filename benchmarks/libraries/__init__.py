"""The contestants: what a row calls them, the file here that runs them, and the settings it is given.

A library's file has `begin(threads, **settings)`, called once, and a function for each operation it knows. That
function takes a problem and gives a `Task`. A library without it gets no row; one that is not installed, or fails, gets a
row that says so.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

CONTESTANTS = {
    "six loops": ("loops", {}),
    "NumPy im2col": ("numpy", {}),
    "NumPy": ("numpy", {}),
    "SciPy": ("scipy", {}),
    "minicae": ("minicae", {}),
    "minicae im2col": ("minicae", {"algorithm": "im2col"}),
    "minicae Winograd": ("minicae", {"algorithm": "winograd"}),
    "PyTorch": ("torch", {}),
    "PyTorch channels_last": ("torch", {"channels_last": True}),
    "PyTorch compile": ("torch", {"compiled": True}),
    "JAX": ("jax", {}),
    "the machine": ("peaks", {}),
    "minicae CUDA": ("minicae", {"backend": "cuda"}),
    "PyTorch CUDA": ("torch", {"device": "cuda"}),
    "PyTorch CUDA graph": ("torch", {"device": "cuda", "graph": True}),
    "the GPU": ("gpu", {}),
}

ABSENT = "has no such operation"


class Task(NamedTuple):
    """An operation ready to run.

    Parameters
    ----------
    run : does it once, and returns when it is done, or launched where the library's `clock` waits for a device
    result : does it once and gives what came out, an array or a list of arrays in minicae's layout (N, H, W, C)
    label : how the contestant calls itself for this problem, where that is not its own name
    together : on a device, whether runs can be timed several in a row, since none of them waits
    """

    run: Callable
    result: Callable
    label: str = ""
    together: bool = False


class Unavailable(Exception):
    """This contestant cannot do this problem, and why: shown in its row."""


def stopped(run):
    """Milliseconds of run(), by the host's clock."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3

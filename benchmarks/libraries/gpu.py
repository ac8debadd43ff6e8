"""The GPU as a contestant: what it is, how fast it copies, and every kernel of minicae on it against float64."""

import functools
import importlib.metadata

import numpy as np

from benchmarks.libraries import Unavailable
from benchmarks.problems import LIMIT, error_of
from minicae import kernels
from minicae.errors import BackendError
from minicae.inspection import gpu
from minicae.inspection.doctor import calls
from minicae.kernels import reference

BACKEND = "cuda"
SMALL = {"images": 1, "side": 12, "many": 300}
NO_NUMBERS = "conv2d_algorithm"  # gives a name


def begin(threads):
    """Import the backend."""
    try:
        kernels.backend(BACKEND)
    except BackendError as error:
        raise Unavailable(str(error)) from None


def about():
    """The device, its driver, the packages, by name."""
    told = {key: str(value) for key, value in kernels.backend(BACKEND).facts().items()} | gpu.packages()
    for key, lines in (("driver", gpu.gpus()), ("toolkit", [gpu.toolkit()])):
        if any(lines):
            told[key] = "; ".join(lines)
    try:
        told["torch"] = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        told["torch"] = "missing"
    return told


@functools.cache
def copy(nbytes):
    """GB/s of a copy on the device that reads nbytes / 2 and writes nbytes / 2."""
    from minicae.kernels.cuda.peak import copy_rate

    return copy_rate(nbytes)


def names():
    """The kernels that `check` knows."""
    return [name for name in reference.__all__ if name != NO_NUMBERS]


def check(kernel, small=False):
    """The largest constant c of a kernel over all its calls, on random numbers, against `reference` in float64."""
    module, rng, worst = kernels.hosted(BACKEND), np.random.default_rng(0), 0.0
    for name, *arguments in calls(rng, **(SMALL if small else {})):
        if name != kernel:
            continue
        got = [_random(rng, one) for one in arguments]
        want = [_exact(one) for one in got]
        results = getattr(module, name)(*got), getattr(reference, name)(*want)
        pairs = [(one, other) for one, other in zip(got, want) if isinstance(one, np.ndarray)]
        if isinstance(results[1], (bool, float)):
            pairs.append(tuple(map(np.float64, results)))
        scale = [max(1.0, np.abs(other).max(initial=0.0)) for _, other in pairs]
        worst = np.maximum(worst, error_of(*zip(*pairs), scale))  # keeps a NaN
    if not worst <= LIMIT:
        raise Unavailable(f"wrong: error {worst:.4g}, allowed {LIMIT}")
    return float(worst)


def _random(rng, value):
    """A copy of an array, its numbers made smaller by up to 1/32: no longer whole, and without ties."""
    if isinstance(value, tuple):  # (an array, its activation, alpha), or sizes
        return tuple(_random(rng, one) for one in value)
    if not isinstance(value, np.ndarray):
        return value
    return value * (1 - rng.random(value.shape, np.float32) / 32) if value.dtype == np.float32 else value.copy()


def _exact(value):
    if isinstance(value, tuple):
        return tuple(map(_exact, value))
    if not isinstance(value, np.ndarray):
        return value
    return value.astype(np.float64) if value.dtype == np.float32 else value.copy()

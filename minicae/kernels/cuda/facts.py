"""What this backend runs on: the device, and the compiler."""

import importlib.metadata

from minicae.kernels.cuda._device import SIMULATED, cuda
from minicae.kernels.cuda._launch import KERNELS


def facts():
    """As `reference.facts.facts`."""
    if SIMULATED:
        return {"device": "Numba's simulator"}
    device = cuda.get_current_device()
    name = device.name.decode() if isinstance(device.name, bytes) else device.name
    return {
        "device": name,
        "compute capability": ".".join(map(str, device.compute_capability)),
        "numba-cuda": importlib.metadata.version("numba-cuda"),
    }


def compile_for(call):
    """As `reference.facts.compile_for`."""
    before = _compiled()
    call()
    return _compiled() - before


def _compiled():
    return sum(len(made.versions) for made in KERNELS.values())

"""The kernels of the CUDA backend behind the arrays of NumPy, so that the tests of the other backends serve here too.

They run in the simulator, which has to be chosen before numba.cuda is first imported, so in a process of their own:
tests/kernels/test_cuda.py starts it, or `NUMBA_ENABLE_CUDASIM=1 pytest tests/cuda`.
"""

import functools
import os
import types

import numpy as np
import pytest

from minicae.kernels import backend as _backend

collect_ignore_glob = (
    [] if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1" else ["test_*.py"]
)  # tests/kernels/test_cuda.py


def _on_device(function, upload, download):
    """`function` for NumPy arrays: each goes to the device and comes back; `through` holds one more."""

    @functools.wraps(function)
    def called(*arguments, **named):
        moved = {}

        def place(value):
            if isinstance(value, np.ndarray):
                if id(value) not in moved:  # one array given twice is one array there
                    moved[id(value)] = value, upload(value)
                return moved[id(value)][1]
            if isinstance(value, tuple) and any(isinstance(item, np.ndarray) for item in value):
                return tuple(map(place, value))
            return value

        result = function(*map(place, arguments), **{name: place(value) for name, value in named.items()})
        for host, there in moved.values():
            if host.flags.writeable:
                host[...] = download(there)
        return result

    return called


@pytest.fixture(scope="session")
def backend():
    """A module like the others, whose kernels run in the simulator."""
    cuda = _backend("cuda")

    def upload(host):
        there = cuda.empty(host.shape, host.dtype)
        cuda.upload(host, there)
        return there

    kernels = {name: _on_device(getattr(cuda, name), upload, cuda.download) for name in cuda.__all__}
    kernels["conv2d_algorithm"] = cuda.conv2d_algorithm
    return types.SimpleNamespace(__name__=cuda.__name__, __all__=cuda.__all__, **kernels)

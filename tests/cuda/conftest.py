"""The kernels of the CUDA backend for arrays of NumPy, so that the tests of the other backends serve here too.

Where there is a GPU they run on it. Elsewhere they run in the simulator, which has to be chosen before numba.cuda is first
imported, so in a process of their own: tests/kernels/test_cuda.py starts it, or `NUMBA_ENABLE_CUDASIM=1 pytest tests/cuda`.
"""

import pytest

from minicae import kernels

collect_ignore_glob = [] if "cuda" in kernels.available() else ["test_*.py"]


@pytest.fixture(scope="session")
def backend():
    """A module like the others; its arrays go to the device and back."""
    return kernels.hosted("cuda")

"""What all tests share: the backends they run on, and how Hypothesis looks for examples."""

import importlib
import os

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("MINICAE_QUIET", "1")  # tests that compare what is printed must not depend on what is compiled

settings.register_profile(
    "minicae",
    deadline=None,  # the first call of a kernel may compile it
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("minicae")


@pytest.fixture(scope="session", params=["reference", "cpu"])
def backend(request):
    """The module with the kernels: every test that asks for it runs once a backend."""
    return importlib.import_module(f"minicae.kernels.{request.param}")

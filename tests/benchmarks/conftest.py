"""Contestants without processes: minicae's slow backend answers for everybody, and the machine's peaks are made up."""

import pytest

from benchmarks import session as sessions
from benchmarks.libraries import CONTESTANTS, Unavailable, gpu
from benchmarks.libraries import minicae as library
from benchmarks.session import Session
from benchmarks.worker import Worker, one_line


class InProcess:
    """A contestant in this process."""

    def __init__(self, name, threads):
        self.name, self.worker = name, Worker()
        self.worker.library = gpu if name == "the GPU" else library

    def request(self, method, *arguments):
        if self.name == "the machine":
            return {"fma": 100.0, "copy": 10.0, "vector_bytes": 32}[arguments[0]]
        if not self.name.startswith(("minicae", "the GPU")):
            raise Unavailable(f"{self.name} is not here")
        try:
            return getattr(self.worker, method)(*arguments)
        except Exception as error:
            raise Unavailable(one_line(error)) from error

    def close(self):
        pass


@pytest.fixture
def stubs(monkeypatch):
    """Sessions get contestants in this process."""
    assert "minicae" in CONTESTANTS
    monkeypatch.setattr(sessions, "Contestant", InProcess)
    monkeypatch.setattr(library, "_backend_name", "reference")
    monkeypatch.setattr(library, "_algorithm", "auto")
    monkeypatch.setattr(gpu, "BACKEND", "reference")
    monkeypatch.setattr(gpu, "about", lambda: {"device": "NVIDIA Nothing", "driver": "1.2"})
    monkeypatch.setattr(gpu, "copy", lambda nbytes: 10.0)


@pytest.fixture
def session(stubs):
    """A quick session without processes."""
    with Session(threads=2, quick=True) as one:
        yield one

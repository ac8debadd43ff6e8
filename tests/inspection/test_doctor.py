"""The doctor: every kernel is looked at, and a wrong, missing or forgotten one is found."""

import types

import numpy as np
import pytest

from minicae import kernels
from minicae.inspection import doctor
from minicae.kernels import reference


def ailing(**changes):
    """The reference backend with some kernels exchanged."""
    return types.SimpleNamespace(**{name: getattr(reference, name) for name in reference.__all__} | changes)


@pytest.fixture
def backend(monkeypatch):
    """Puts a backend in the place of all."""
    return lambda module: monkeypatch.setattr(kernels, "backend", lambda name: module)


def texts(findings):
    return [finding.text for finding in findings if not finding.ok]


@pytest.mark.parametrize("name", kernels.available())
def test_all_kernels_are_well(name):
    assert texts(doctor.check_kernels(name)) == []


def test_every_kernel_is_called():
    called = {name for name, *_ in doctor.calls(np.random.default_rng(0))}
    assert called == set(reference.__all__)


def test_a_kernel_without_a_call_is_a_fault(monkeypatch):
    monkeypatch.setattr(reference, "__all__", [*reference.__all__, "new_kernel"])
    assert texts(doctor.check_kernels("reference"))[0] == "reference: new_kernel has no self-check"


@pytest.mark.parametrize("name", [name for name in reference.__all__ if name != "conv2d_algorithm"])
def test_a_kernel_that_does_nothing_is_found(backend, name):
    backend(ailing(**{name: lambda *arguments: 0.0}))
    found = texts(doctor.check_kernels("cpu"))
    assert found[0].startswith(f"cpu: {name} gives ") and len(found) == 2


def test_a_small_mistake_is_found(backend):
    def forward(x, w, b, y, *settings):
        reference.conv2d_forward(x, w, b, y, *settings)
        y[-1, -1, -1, -1] += 1

    def add(x, other, y):
        np.add(x, other, out=y)
        x[0, 0, 0, 0] += 1  # what is only read is watched as well

    backend(ailing(conv2d_forward=forward, add=add))
    assert [text.split()[1] for text in texts(doctor.check_kernels("cpu"))[:2]] == ["conv2d_forward", "add"]


def test_a_kernel_that_raises_is_a_finding(backend):
    def fail(*arguments):
        raise ZeroDivisionError("no threads")

    backend(ailing(softmax_forward=fail))
    assert texts(doctor.check_kernels("cpu"))[0] == "cpu: softmax_forward raises ZeroDivisionError: no threads"


def test_a_partial_backend_is_well_and_says_what_it_lacks(backend):
    module = ailing()
    del module.adam_step
    backend(module)
    (finding,) = doctor.check_kernels("cuda")
    assert finding.ok and finding.text.endswith("not in this backend: adam_step")


def test_the_examination_covers_the_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("MINICAE_DATA", str(tmp_path))
    monkeypatch.setattr(doctor, "check_kernels", lambda name: [doctor.Finding("kernels", name)])
    findings = list(doctor.examine())
    assert all(finding.ok for finding in findings)
    subjects = {"python", "packages", "processor", "threads", "vectors", "cache", "cuda", "data", "kernels"}
    assert subjects == {finding.subject for finding in findings} - {"gpu"}


def test_a_broken_cpu_backend_is_a_finding(monkeypatch):
    def broken(name):
        raise doctor.BackendError("backend 'cpu' cannot be imported: no numba")

    monkeypatch.setattr(kernels, "backend", broken)
    monkeypatch.setattr(kernels, "available", lambda: [])
    assert texts(doctor.examine()) == ["backend 'cpu' cannot be imported: no numba"]


def test_data_sets_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("MINICAE_DATA", str(tmp_path))
    monkeypatch.setenv("MINICAE_CACHE", str(tmp_path / "cache"))
    assert "not here" in doctor._data(doctor.MNIST).text
    for archive in doctor.MNIST.test:
        (tmp_path / archive.name).touch()
    assert doctor._data(doctor.MNIST).text == f"MNIST: 10,000 test images in {tmp_path}"

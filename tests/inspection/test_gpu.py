"""What the doctor says of the GPU: where there is one, where there is none, where something is missing or broken."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from minicae import kernels
from minicae.errors import BackendError
from minicae.inspection import doctor, gpu

ROOT = Path(__file__).parents[2]
INSTALLED = {"numba-cuda": "0.30.4", "cuda-bindings": "13.0.1"}


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without driver, toolkit, packages and simulator; a folder for what it is to have."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpu, "DRIVER", tmp_path / "nvidia")
    monkeypatch.setattr(gpu, "TOOLKITS", tmp_path / "cuda")
    monkeypatch.setattr(gpu, "_version", lambda package: "")
    for name in ("NUMBA_ENABLE_CUDASIM", "CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def program(folder, script):
    """The driver's program, as a script."""
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def told(usable):
    return [(finding.subject, finding.text, finding.ok) for finding in doctor._cuda(usable)]


def test_without_a_gpu_nothing_is_wrong(bare):
    (gpu_is, nothing, ok), (packages_are, advice, well) = told(False)
    assert (gpu_is, packages_are, ok, well) == ("gpu", "cuda", True, True)
    assert nothing.startswith("none was found") and advice == 'numba-cuda is not installed: pip install "minicae[cuda]"'


def test_a_gpu_without_packages(bare):
    program(bare, "echo 'NVIDIA H200, 143771 MiB, 570.86.15'; echo 'NVIDIA L4, 23034 MiB, 570.86.15'")
    (_, text, ok), (_, advice, well) = told(False)
    assert text == "NVIDIA H200, 143771 MiB, driver 570.86.15; NVIDIA L4, 23034 MiB, driver 570.86.15"
    assert "pip install" in advice and ok and well


def test_a_gpu_that_can_be_used(bare, monkeypatch):
    program(bare, "echo 'NVIDIA H200, 143771 MiB, 570.86.15'")
    monkeypatch.setattr(gpu, "_version", lambda package: INSTALLED.get(package, ""))
    (bare / "cuda" / "include").mkdir(parents=True)
    (bare / "cuda" / "include" / "cuda.h").write_text("#pragma once\n#define CUDA_VERSION 13010\n")
    assert told(True)[1] == ("cuda", f"numba-cuda 0.30.4, cuda-bindings 13.0.1, CUDA 13.1 in {bare / 'cuda'}", True)


def test_a_gpu_that_cannot_be_used_is_a_fault(bare, monkeypatch):
    def broken(name):
        raise BackendError("backend 'cuda' cannot be imported: no libnvvm")

    program(bare, "echo 'NVIDIA H200, 143771 MiB, 570.86.15'")
    monkeypatch.setattr(gpu, "_version", lambda package: INSTALLED.get(package, ""))
    monkeypatch.setattr(kernels, "backend", broken)
    _, (_, text, ok) = told(False)
    assert "no libnvvm" in text and "numba-cuda 0.30.4" in text and not ok


def test_a_gpu_that_only_numba_sees(bare, monkeypatch):
    module = types.SimpleNamespace(facts=lambda: {"device": "NVIDIA A100"})
    monkeypatch.setattr(kernels, "backend", lambda name: module)
    assert told(True)[0] == ("gpu", "NVIDIA A100", True)


def test_linux_is_asked_where_there_is_no_program(bare):
    (bare / "nvidia" / "gpus" / "0").mkdir(parents=True)
    (bare / "nvidia" / "gpus" / "0" / "information").write_text("Model: \t\t NVIDIA T4\nIRQ:   10\n")
    (bare / "nvidia" / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu\n")
    assert gpu.gpus() == ["NVIDIA T4, driver 535.129.03"]
    (bare / "nvidia" / "version").unlink()
    assert gpu.gpus() == ["NVIDIA T4, driver unknown"]


@pytest.mark.parametrize("script", ["exit 9", "echo 'NVIDIA-SMI has failed'", "printf '\\377\\376'", "exec /no/where"])
def test_a_program_that_fails_finds_nothing(bare, script):
    program(bare, script)
    assert gpu.gpus() == []


def test_the_simulator_is_named(bare, monkeypatch):
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    monkeypatch.setattr(kernels, "available", lambda: ["cuda"])
    findings = list(doctor.examine())
    assert ("cuda", "simulated by Numba, slowly, since NUMBA_ENABLE_CUDASIM is set", True) in findings
    assert [finding.text for finding in findings if finding.subject == "kernels"] == [
        "cuda: not checked, since the simulator would take hours"
    ]


@pytest.mark.parametrize("simulator", ["0", "1"])
def test_looking_imports_no_cuda(simulator):
    code = "import sys; at_start = set(sys.modules)\n"  # numba-cuda puts one of its own into every process
    code += "from minicae.inspection import gpu; gpu.gpus(), gpu.packages(), gpu.toolkit(); import minicae\n"
    code += "print([name for name in set(sys.modules) - at_start if 'cuda' in name and not name.startswith('minicae')])"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_ENABLE_CUDASIM": simulator}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("simulator", ["0", "1"])
def test_the_doctor_looks_in_a_process_of_its_own(simulator):
    """With the simulator and without: a line or two, no complaint, nothing wrong."""
    code = """
from minicae import kernels
from minicae.inspection import doctor
for finding in doctor._cuda("cuda" in kernels.available()):
    print(finding.ok, finding.subject, finding.text)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_ENABLE_CUDASIM": simulator}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert done.stderr == "" and all(line.startswith("True ") for line in lines)
    assert [line.split()[1] for line in lines] == (["cuda"] if simulator == "1" else ["gpu", "cuda"])

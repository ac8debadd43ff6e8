"""What there is for the CUDA backend: the GPU, its driver, the toolkit and the packages, or what is missing.

Nothing here imports a package of CUDA. The driver's own program, nvidia-smi, is asked for the GPU, Linux for the driver
where there is no such program, and the installer's records for the packages.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
from pathlib import Path

QUESTION = "--query-gpu=name,memory.total,driver_version"
DRIVER = Path("/proc/driver/nvidia")  # where Linux tells of the driver and of the GPUs that it drives
TOOLKITS = "/usr/local/cuda"
PATIENCE = 10  # seconds for nvidia-smi
PACKAGE = "numba-cuda"
RELATED = "cuda-bindings", "cuda-core", "nvidia-cuda-nvrtc", "nvidia-nvvm", "nvidia-nvjitlink"
INSTALL = 'pip install "minicae[cuda]"'


def simulated() -> bool:
    """Whether Numba's simulator takes the GPU's place."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def gpus() -> list[str]:
    """A line for each GPU: its name, its memory, the version of the driver."""
    return _asked() or _listed()


def packages() -> dict[str, str]:
    """Versions of the installed packages that the backend stands on; without numba-cuda, none."""
    found = {name: version for name in (PACKAGE, *RELATED) if (version := _version(name))}
    return found if PACKAGE in found else {}


def toolkit() -> str:
    """The machine's own CUDA toolkit and where it lies; empty where there is none. numba-cuda[cu13] brings what it needs."""
    for folder in filter(None, (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), TOOLKITS)):
        told = re.search(r"#define CUDA_VERSION (\d+)", _text(Path(folder) / "include" / "cuda.h"))
        if told:
            return f"CUDA {int(told[1]) // 1000}.{int(told[1]) % 1000 // 10} in {folder}"
    return ""


def _asked():
    program = shutil.which("nvidia-smi")
    if not program:
        return []
    try:
        done = subprocess.run(
            [program, QUESTION, "--format=csv,noheader"], capture_output=True, text=True, timeout=PATIENCE, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    rows = ([cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines())
    return [f"{row[0]}, {row[1]}, driver {row[2]}" for row in rows if len(row) == 3]


def _listed():
    driver = re.search(r"\d+\.\d+(\.\d+)*", _text(DRIVER / "version"))
    told = (re.search(r"Model:\s*(.+)", _text(path)) for path in sorted(DRIVER.glob("gpus/*/information")))
    return [f"{name[1].strip()}, driver {driver[0] if driver else 'unknown'}" for name in told if name]


def _text(path):
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""

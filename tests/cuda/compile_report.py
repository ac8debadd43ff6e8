"""Compiles every kernel of the CUDA backend for three generations of devices, without a GPU, and looks at what came out.

    python tests/cuda/compile_report.py [part of a name]

prints a line for each kernel and ends with 1 where something is wrong: a register that does not fit and is spilled, more
registers than the budget, float64 in a float32 kernel, no 128-bit loads in a kernel that lives from them. It ends with 77
where numba-cuda or ptxas is missing. Budgets are upper bounds for all three generations.
"""

import concurrent.futures
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from types import SimpleNamespace

GENERATIONS = (7, 5), (8, 0), (9, 0)
BUDGET = 80  # registers of a kernel
HUNGRY = {  # kernels with tiles in registers; at most 65536 / (threads * blocks) for their launch bounds
    "_wide.wide_32": 168,
    "_wide.wide_32_turned": 168,
    "_wide.wide_64": 168,
    "_wide.wide_64_turned": 168,
    "_weigh._weigh": 128,
}
WIDE_LOADS = 8  # of 128 bits, at least, in each of these
IN_FLOAT64 = (
    "mse",
    "mae",
    "bce",
    "bce_logits",
    "l1",
    "l2",
    "contractive",
    "kl",
    "_squares",
    "_shorten",
    "_look_at_costs",
)  # sums of many, and who looks at them


def ptxas():
    """The assembler: that of a CUDA toolkit."""
    for folder in (os.environ.get("CUDA_HOME", "/usr/local/cuda"), *sys.path):
        for inside in ("bin", "nvidia/cu13/bin"):
            tool = pathlib.Path(folder) / inside / "ptxas"
            if tool.exists():
                return str(tool)
    return shutil.which("ptxas")


def faults(name, real, ptx, said):
    """What is wrong with a kernel, and its registers."""
    registers = int(re.search(r"Used (\d+) registers", said)[1])
    spilled = sum(map(int, re.findall(r"(\d+) bytes spill", said)))
    wide_loads = len(re.findall(r"ld\.\S*v4\.f32", ptx))
    doubles = ".f64" in ptx
    wrong = []
    if spilled:
        wrong.append(f"spills {spilled} bytes")
    if real == "float32" and registers > HUNGRY.get(name, BUDGET):
        wrong.append(f"takes {registers} registers")
    if real == "float32" and doubles and name.partition(".")[2] not in IN_FLOAT64:
        wrong.append("calculates in float64")
    if name in HUNGRY and wide_loads < WIDE_LOADS:
        wrong.append(f"has {wide_loads} loads of 128 bits")
    return wrong, registers


def main(part=""):
    """The report."""
    assembler = ptxas()
    if importlib.util.find_spec("numba_cuda") is None or assembler is None:
        print("numba-cuda and ptxas are needed to compile kernels without a GPU")
        return 77
    from numba import cuda

    cuda.is_available = lambda: True  # compiling needs no GPU
    import minicae.kernels.cuda  # noqa: F401
    from minicae.kernels.cuda._launch import KERNELS

    bad, waiting = 0, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as assemblers:
        for name, made in KERNELS.items():
            for real in ("float32",) if name in HUNGRY else ("float32", "float64"):
                for generation in (GENERATIONS if real == "float32" else GENERATIONS[-1:]) if part in name else ():
                    ptx = compiled(made, real, generation)
                    waiting.append(
                        (name, real, generation, ptx, assemblers.submit(assembled, assembler, ptx, generation))
                    )
        for name, real, generation, ptx, said in waiting:
            wrong, registers = faults(name, real, ptx, said.result())
            bad += bool(wrong)
            line = f"{name:30}{real:10}sm_{generation[0]}{generation[1]}{registers:5} registers  {', '.join(wrong)}"
            print(line.rstrip())
    return 1 if bad else 0


def assembled(assembler, ptx, generation):
    """What ptxas says of it."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "kernel.ptx"
        source.write_text(ptx)
        command = [assembler, "-v", f"-arch=sm_{generation[0]}{generation[1]}", source, "-o", source.with_suffix(".o")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def compiled(made, real, generation):
    """The kernel as PTX; device functions ask the device for its generation, and there is none."""
    from numba import cuda
    from numba.cuda import dispatcher

    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=generation)
    ptx, _ = cuda.compile(
        made.function,
        made.signature(real),
        device=False,
        abi="numba",
        cc=generation,
        launch_bounds=made.bounds,
    )
    return ptx


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

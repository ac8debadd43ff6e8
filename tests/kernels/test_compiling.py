"""Kernels are compiled once, whoever waits is told, and a cache that is stale, damaged or absent stops nobody.

Each test runs small programs with a folder of their own for the compiled kernels.
"""

import concurrent.futures
import os
import pathlib
import pty
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = """
import numpy as np
from minicae.kernels import cpu
y = np.zeros(6, np.float32)
cpu.add(np.arange(6, dtype=np.float32), np.ones(6, np.float32), y)
print(y.tolist())
"""
RIGHT = "[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]\n"
NO_FOLDER = """
from numba.core import caching
def refuse(*arguments):
    raise RuntimeError("no folder")
caching.CacheImpl.__init__ = refuse
"""
WARMUP = """
import sys
from minicae import cli
from minicae.inspection import doctor
all_calls = doctor.calls
doctor.calls = lambda rng: (call for call in all_calls(rng) if call[0] == "add")
sys.exit(cli.main(["warmup", *sys.argv[1:]]))
"""


@pytest.fixture
def run(tmp_path):
    """Runs a program; gives what it printed and what it complained."""

    def program(text=PROGRAM, *arguments, root=ROOT, **environment):
        own = {"PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(tmp_path / "kernels"), "NUMBA_NUM_THREADS": "2"}
        result = subprocess.run(
            [sys.executable, "-c", text, *arguments],
            env=os.environ | own | {"MINICAE_QUIET": ""} | environment,
            cwd=tmp_path,  # Python looks there before it looks at PYTHONPATH
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout, result.stderr

    return program


def cached(tmp_path, ending):
    """The file of the one compiled kernel that PROGRAM leaves."""
    (file,) = (tmp_path / "kernels").rglob(f"memory._add*.{ending}")
    return file


def test_the_first_run_says_that_it_compiles_and_the_second_does_not(run, tmp_path):
    said, complaint = run()
    folder = cached(tmp_path, "nbc").parent
    assert said == RIGHT
    assert complaint == f"minicae: compiling kernels for this machine (once; kept in {folder}) ...\n"
    assert run() == (RIGHT, "")


def test_quiet(run):
    assert run(MINICAE_QUIET="1") == (RIGHT, "")


def test_a_terminal_shows_which_kernel_and_nothing_of_it_stays(tmp_path):
    ours, theirs = pty.openpty()
    environment = {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path), "MINICAE_QUIET": ""}
    subprocess.run(
        [sys.executable, "-c", PROGRAM], env=os.environ | environment, stderr=theirs, check=True, timeout=120
    )
    os.close(theirs)
    shown = os.read(ours, 10_000).decode().replace("\r\n", "\n")
    os.close(ours)
    line, _, rest = shown.partition("\n")
    assert line.startswith("minicae: compiling kernels for this machine (once; kept in ")
    assert rest == "\r\x1b[2K  1: memory.add\r\x1b[2K"


def test_without_a_folder_every_run_compiles_and_says_so(run):
    for _ in range(2):
        said, complaint = run(NO_FOLDER + PROGRAM)
        assert said == RIGHT
        assert "compiling kernels" in complaint and "every time anew: no folder to keep them in" in complaint


def test_without_a_standard_error(run):
    assert run("import sys; sys.stderr = None\n" + PROGRAM) == (RIGHT, "")


@pytest.mark.parametrize("ending", ["nbc", "nbi"])
@pytest.mark.parametrize("damage", ["cut", "emptied", "garbage"])
def test_a_damaged_cache_is_compiled_anew_and_healed(run, tmp_path, ending, damage):
    run()
    file = cached(tmp_path, ending)
    content = file.read_bytes()
    file.write_bytes({"cut": content[: len(content) // 2], "emptied": b"", "garbage": content[::-1]}[damage])
    said, complaint = run()
    assert said == RIGHT and "compiling kernels" in complaint and "damaged kernel cache emptied" in complaint
    assert run() == (RIGHT, "")


def test_a_change_in_any_file_of_the_backend_empties_the_cache(run, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(ROOT / "minicae", root / "minicae", ignore=shutil.ignore_patterns("__pycache__"))
    run(root=root)
    assert run(root=root) == (RIGHT, "")
    with (root / "minicae/kernels/cpu/pool.py").open("a") as file:
        file.write("\n# a change\n")
    said, complaint = run(root=root)
    assert said == RIGHT and "compiling kernels" in complaint


def test_warmup_compiles_every_version_once(run):
    said, complaint = run(WARMUP, "--dtype", "both")
    *lines, total = said.splitlines()
    assert [line.split(" s  ")[1] for line in lines] == ["add float32", "add float64"]
    assert "4 versions compiled; kept in " in total and "compiling kernels" in complaint
    said, complaint = run(WARMUP, "--dtype", "both")
    assert "all were compiled already; kept in " in said and complaint == ""
    assert run() == (RIGHT, "")


def test_two_processes_fill_one_folder(run, tmp_path):
    """Both start with nothing, and neither disturbs the other nor what it leaves."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        both = [job.result() for job in [pool.submit(run) for _ in range(2)]]
    assert [said for said, _ in both] == [RIGHT] * 2
    assert not any("damaged" in complaint or "not cached" in complaint for _, complaint in both)
    assert run() == (RIGHT, "")


FULL = """
import resource, signal
from minicae.kernels import cpu  # before the limit: importing writes files too
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
"""


def test_a_disk_that_takes_no_more_is_a_warning(run, tmp_path):
    said, complaint = run(FULL + PROGRAM)
    assert said == RIGHT and "compiled kernel not cached (OSError: [Errno 27] File too large" in complaint
    said, complaint = run()
    assert said == RIGHT and "damaged" not in complaint
    assert run() == (RIGHT, "")


@pytest.mark.parametrize("value", ["file", "file/folder"])
def test_a_folder_that_cannot_be_made(run, tmp_path, value):
    (tmp_path / "file").write_bytes(b"")
    for _ in range(2):
        assert run(NUMBA_CACHE_DIR=str(tmp_path / value))[0] == RIGHT


@pytest.mark.parametrize("name, value", [("THREADING_LAYER", "none"), ("NUM_THREADS", "0")])
def test_settings_with_which_numba_does_not_start_are_one_line(run, name, value):
    program = """
import minicae as mc
try:
    mc.Sequential([mc.layers.Dense(2)], 2)
except mc.errors.BackendError as error:
    print(error, error.__cause__, error.__suppress_context__)
"""
    said, complaint = run(program, **{f"NUMBA_{name}": value})
    assert said.startswith("backend 'cpu' cannot be imported: ") and complaint == ""
    assert said.endswith("; backend='reference' needs NumPy only None True\n") and said.count("\n") == 1

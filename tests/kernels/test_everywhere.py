"""The kernel tests once more, some cases of each: on more threads than there are cores, where races show, and uncompiled, the
one mode in which an index or a run past the end of an array is noticed.
"""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def run(program, **environment):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"} | environment
    return subprocess.run([sys.executable, *program], env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize("most, environment", [(6, {"NUMBA_NUM_THREADS": "8"}), (4, {"NUMBA_DISABLE_JIT": "1"})])
def test_kernels_hold(most, environment):
    done = run(["-m", "tests.kernels.cases", str(most)], **environment)
    assert done.returncode == 0, done.stderr
    threads, _, held, _ = done.stdout.split()
    assert threads == environment.get("NUMBA_NUM_THREADS", threads) and int(held) > 100


RUNS = """
import numpy as np
from minicae.kernels.cpu import _vector
x, y = np.arange(5.0), np.zeros(5)
_vector.copy(x, 0, y, 5, 0)  # nothing, at the end
for bad in (lambda: _vector.copy(x, 1, y, 0, 5), lambda: _vector.copy(x, 0, y, 4, 2), lambda: _vector.clear(y, -1, 3)):
    try:
        bad()
    except IndexError as error:
        print(error)
"""


def test_uncompiled_a_run_beyond_the_end_is_noticed():
    said = run(["-c", RUNS], NUMBA_DISABLE_JIT="1").stdout
    assert said.count("in an array of 5") == 3

"""A process that is forked after kernels have run computes on, with one thread, and to the same bits."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os
import numpy as np
import minicae as mc

x = np.random.default_rng(0).random((256, 200), np.float32)
model = mc.zoo.stacked(sizes=(200, 150, 20))
want = model.predict(x)  # on the pool of threads
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(model.predict(x), want) else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), np.array_equal(model.predict(x), want))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_predicts_the_same_bits():
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert run.stdout.split() == ["0", "True"], run.stderr

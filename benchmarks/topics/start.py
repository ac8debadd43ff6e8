"""What a start costs: imports, and the first training step with and without compiled kernels on disk."""

import os
import subprocess
import sys

from benchmarks.libraries import Unavailable
from benchmarks.rows import Row
from benchmarks.timing import ROOT, take_turns

TITLE = "starting: seconds inside fresh processes"
CLOCK = "import time; start = time.perf_counter(); "
MODEL = "import minicae, numpy; x = numpy.load({digits!r})[:64]; "
STEP = "loss = minicae.zoo.convolutional({small}).train_on_batch(x); assert 0 < loss < 2; "
END = "print(time.perf_counter() - start)"
PROGRAMS = {
    "minicae: import and first step, compiled before": CLOCK + MODEL + STEP + END,
    "minicae: first step after import, compiled before": MODEL + CLOCK + STEP + END,
    "import minicae": CLOCK + "import minicae; " + END,
    "import numpy": CLOCK + "import numpy; " + END,
    "import torch": CLOCK + "import torch; " + END,
    "import jax": CLOCK + "import jax; " + END,
}
COLD = "minicae: import and first step ever"


def rows(session):
    """One row a program, in turn; the first step ever comes once, and fills the cache that the others find."""
    values = {"digits": session.digits(), "small": "filters=(2, 3)" if session.quick else ""}
    cache = session.folder / "kernels"
    programs = {name: program.format(**values) for name, program in PROGRAMS.items()}
    first = next(iter(programs))
    try:
        cold, note = [_seconds(programs[first], cache, session.threads)], ""
        if not any(path.is_file() for path in cache.rglob("*")):
            note = "nothing was kept in the cache: the first steps below compile too"
    except Unavailable as error:
        cold, note = [], str(error)
    bursts = {
        name: lambda _, program=program: [_seconds(program, cache, session.threads)]
        for name, program in programs.items()
    }
    turns = take_turns(bursts, session.plan, first)
    for name, turn in turns.items():
        yield Row.of("start", name, turn.times, unit="s", ratio=turn.ratio, note=turn.note)
    yield Row.of("start", COLD, cold, unit="s", note=note)


def _seconds(program, cache, threads):
    """What the program prints."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {"PYTHONPATH": os.pathsep.join(paths), "NUMBA_CACHE_DIR": str(cache), "NUMBA_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=os.environ | own,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unavailable((done.stderr.strip().splitlines() or ["ended without a word"])[-1][:160])
    return float(done.stdout.split()[-1])

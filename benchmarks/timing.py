"""Fair times: each contestant is a process of its own, and all are asked in turn, round after round.

Processes keep the thread pools of the libraries apart: while one works the others wait for a request. A pool may go on
spinning for a while after its work, so there is a pause between two turns. The order is rotated from round to round, and
whatever slows the machine down for a while slows all of them: ratios are taken within a round, and then their median.
"""

import contextlib
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.libraries import CONTESTANTS, Unavailable

ROOT = Path(__file__).resolve().parents[1]
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)
PATIENCE = 900  # seconds that an answer may take, where nobody sets less


class Plan(NamedTuple):
    """How often and how long: rounds, seconds of one burst, seconds of pause before it (above any pool's spinning)."""

    rounds: int = 7
    seconds: float = 0.4
    pause: float = 0.2


QUICK = Plan(1, 0.0, 0.0)


def rotated(names, turn):
    """The names in the order of round `turn`: each is first, second ... equally often."""
    names = list(names)
    start = turn % len(names) if names else 0
    return names[start:] + names[:start]


class Contestant:
    """A worker process with its library. Any request may raise Unavailable, with a line that says why."""

    def __init__(self, name, threads):
        library, settings = CONTESTANTS[name]
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        self.complaints = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
            env=environment,
        )
        self.broken = ""  # why it cannot go on
        self.patience = PATIENCE
        try:
            self.request("start", library, threads, settings)
        except Unavailable as error:
            self.broken = self.broken or str(error)

    def request(self, method, *arguments):
        """The worker's answer to one request."""
        if self.broken:
            raise Unavailable(self.broken)
        impatience = threading.Timer(self.patience, self.process.kill)
        impatience.start()
        try:
            pickle.dump((method, arguments), self.process.stdin)
            self.process.stdin.flush()
            verdict, value = pickle.load(self.process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            self.broken = f"its process ended ({self.process.wait()}): {self._last_words()}"
            raise Unavailable(self.broken) from None
        finally:
            impatience.cancel()
        if verdict != "ok":
            raise Unavailable(value)
        return value

    def close(self):
        """End the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.complaints):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _last_words(self):
        self.complaints.seek(0)
        lines = self.complaints.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:160] if lines else "no message"


class Turn(NamedTuple):
    """What one contestant did: its times of every round (ms), its share of wanted errors, or why it has none."""

    rounds: list
    ratio: float | None
    note: str = ""

    @property
    def times(self):
        """All times, ms."""
        return [ms for one in self.rounds for ms in one]


def take_turns(bursts, plan, first=""):
    """{name: Turn} of callables that each give the times (ms) of one burst, asked in turn.

    `first` is the one that ratios are taken to: how many times as long the others took, in the median of all rounds.
    A burst that raises Unavailable takes no part from then on, and its Turn says why.
    """
    rounds, notes = {name: [] for name in bursts}, {}
    for turn in range(plan.rounds):
        for name in rotated(bursts, turn):
            if name in notes:
                continue
            time.sleep(plan.pause)
            try:
                rounds[name].append(bursts[name](plan.seconds))
            except Unavailable as error:
                notes[name] = str(error)
    base = [] if first in notes else [statistics.median(one) for one in rounds.get(first, [])]
    turns = {}
    for name, own in rounds.items():
        ratios = [statistics.median(one) / other for one, other in zip(own, base) if other]
        turns[name] = Turn(own, statistics.median(ratios) if ratios else None, notes.get(name, ""))
    return turns

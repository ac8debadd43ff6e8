"""One run: the contestants that have been started, and `compare`, by which nearly every topic gets its rows."""

import tempfile
from pathlib import Path

from benchmarks import networks
from benchmarks.libraries import ABSENT, Unavailable
from benchmarks.rows import Row
from benchmarks.timing import QUICK, Contestant, Plan, take_turns

DIGITS = 1_000


class Session:
    """Contestants by name, started when first asked for; a context, at whose end they are ended.

    Parameters
    ----------
    threads : that every contestant may use
    quick : one short round at small sizes, to see that everything runs
    only : names of the contestants to ask; None asks all
    """

    def __init__(self, threads, quick=False, only=None):
        self.threads, self.quick, self.only = threads, quick, only
        self.plan = QUICK if quick else Plan()
        self.extras = {}  # what a topic saves beside its rows
        self._running = {}

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="minicae-benchmarks-")
        self.folder = Path(self._folder.name)
        return self

    def __exit__(self, *_):
        self.end_all()
        self._folder.cleanup()

    def end_all(self):
        """End every contestant's process."""
        for contestant in self._running.values():
            contestant.close()
        self._running.clear()

    def end(self, name):
        """End one contestant's process: after a fault of a device, nothing that it holds can be used again."""
        self._running.pop((name, self.threads)).close()

    def contestant(self, name, threads=None) -> Contestant:
        """The process of this contestant; one for each number of threads."""
        key = name, threads or self.threads
        if key not in self._running:
            self._running[key] = Contestant(*key)
        return self._running[key]

    def chosen(self, names):
        """Those of the names that are asked for."""
        return [name for name in names if self.only is None or name in self.only]

    def digits(self):
        """The file of digits that training contestants read."""
        path = self.folder / "digits.npy"
        if not path.exists():
            networks.write_digits(path, 64 if self.quick else DIGITS)
        return str(path)

    def compare(self, problem, names):
        """Rows of the contestants `names` at one problem: validated first, then timed in turn.

        Beside them the machine takes its turn, so that its peak is that of the same minutes.
        """
        want = problem.wanted()
        bursts, errors, notes, labels, peaks = {}, {}, {}, {}, []
        names = self.chosen(names)
        for name in names:
            try:
                contestant = self.contestant(name)
                labels[name] = contestant.request("prepare", problem) or name
                errors[name] = validated(problem, contestant.request("result"), want)
                bursts[name] = burst_of(contestant)
            except Unavailable as error:
                notes[name] = str(error)

        def peak(seconds):
            question = ("fma",) if problem.bound == "fma" else ("copy", problem.nbytes)
            peaks.append(self.contestant("the machine").request("ask", *question))
            return [1.0]

        first = next((name for name in bursts if name.startswith("minicae")), "")
        turns = take_turns(bursts | {"the machine": peak}, self.plan, first)
        costs = {"flops": problem.flops, "nbytes": problem.nbytes, "bound": problem.bound}
        for name in names:
            if notes.get(name) == ABSENT:
                continue
            turn = turns.get(name)
            row = Row.of(problem.title, labels.get(name, name), turn.times if turn else [], **costs)
            row.note = notes.get(name, "") or (turn.note if turn else "")
            row.error, row.peak = errors.get(name), max(peaks, default=None)
            row.ratio = turn.ratio if turn else None
            yield row


def burst_of(contestant):
    """The burst of a contestant, as `take_turns` wants it."""
    return lambda seconds: contestant.request("burst", seconds)


def validated(problem, got, answer):
    """The error of a result, compared with `problem.wanted()`; Unavailable if it is above the limit or no number."""
    error = problem.error(got, *answer)
    if not error <= problem.limit:
        raise Unavailable(f"wrong: error {error:.4g}, allowed {problem.limit:.0f}")
    return error

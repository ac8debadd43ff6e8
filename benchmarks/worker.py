"""One contestant's process: reads requests from its standard input, answers on its standard output.

A request is (method, arguments), an answer ("ok", value) or ("no", one line); both are pickled, between a process and
its own child. What a library prints goes to standard error, so that it cannot be taken for an answer.
"""

import importlib
import os
import pickle
import sys
import threading
import time
from pathlib import Path

from benchmarks.libraries import ABSENT, Unavailable

LONGEST = 5_000  # times of one burst


class Worker:
    """The requests, as methods."""

    def start(self, library, threads, settings):
        """Import a library and tell it its threads; with fewer threads than cores, the process keeps to as many cores."""
        if hasattr(os, "sched_setaffinity"):
            cores = sorted(os.sched_getaffinity(0))
            if threads < len(cores):
                os.sched_setaffinity(0, cores[:threads])
        self.library = importlib.import_module(f"benchmarks.libraries.{library}")
        self.library.begin(threads, **settings)

    def prepare(self, problem):
        """Make the task; gives how the contestant calls itself for this problem."""
        operation = getattr(self.library, problem.operation, None)
        if operation is None:
            raise Unavailable(ABSENT)
        self.task = None  # what the last one holds is free before the next takes memory
        self.task = operation(problem)
        return self.task.label

    def result(self):
        """What comes out of the task."""
        return self.task.result()

    def burst(self, seconds):
        """Milliseconds of each run of a burst. The first run, which wakes threads and fills caches, does not count."""
        run, times = self.task.run, []
        run()
        begin = time.perf_counter()
        while not times or (time.perf_counter() - begin < seconds and len(times) < LONGEST):
            start = time.perf_counter()
            run()
            times.append((time.perf_counter() - start) * 1e3)
        return times

    def times(self, count, before):
        """Milliseconds of each of `count` runs after `before` that do not count, by the library's own clock."""
        clock = self.library.clock(self.task)
        return [clock() for _ in range(before + count)][before:]

    def peak_memory(self):
        """MiB that the process has held at most."""
        most = memory("VmHWM")
        if not most:
            raise Unavailable("this system does not say how much memory a process has held")
        return most

    def watched(self):
        """(ms, MiB, result) of one run: MiB held at most meanwhile, without the pages of mapped files."""
        most, done = memory("RssAnon"), threading.Event()

        def watch():
            nonlocal most
            while not done.wait(0.01):
                most = max(most, memory("RssAnon"))

        watcher = threading.Thread(target=watch)
        watcher.start()
        start = time.perf_counter()
        try:
            result = self.task.run()
        finally:
            done.set()
            watcher.join()
        return (time.perf_counter() - start) * 1e3, max(most, memory("RssAnon")), result

    def ask(self, function, *arguments):
        """A function of the library's file that is no operation."""
        return getattr(self.library, function)(*arguments)


def memory(entry):
    """MiB that Linux reports for this process under VmHWM, RssAnon ...; 0 elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(entry)), 0.0)


def one_line(error):
    """An exception in one line."""
    first = next(iter(str(error).strip().splitlines()), "")
    return first if isinstance(error, Unavailable) else f"{type(error).__name__}: {first}"[:160]


def main():
    """Answer until there are no more requests."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    worker = Worker()
    while True:
        try:
            method, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = "ok", getattr(worker, method)(*arguments)
        except Exception as error:  # whatever a library raises becomes a line in the table
            answer = "no", one_line(error)
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main()

"""The device's own clock, and how fast it copies: what the times of kernels are set against."""

import statistics
import time
from collections.abc import Callable

import numpy as np

from minicae.kernels.cuda._device import SIMULATED, cuda
from minicae.kernels.cuda._queue import stream
from minicae.kernels.cuda._queue import together as in_a_list

CALLS = 2 if SIMULATED else 10  # that are timed together


def milliseconds(work: Callable) -> float:
    """Milliseconds from before work() to after the last kernel that it launched, by events on the device.

    The simulator's events tell no time: there the host's clock is read.
    """
    if SIMULATED:
        start = time.perf_counter()
        work()
        return (time.perf_counter() - start) * 1e3
    start, end = cuda.event(), cuda.event()
    start.record(stream())
    work()
    end.record(stream())
    end.synchronize()
    return cuda.event_elapsed_time(start, end)


def clock(work: Callable, together: bool = False) -> Callable:
    """A function that gives the milliseconds of work(). If it waits for nothing, several in a row can be timed `together`.

    Then they are one graph, and what it takes to launch them from Python is not counted.
    """
    if not together:
        return lambda: milliseconds(work)
    graphs = {}
    for _ in range(2):
        with in_a_list(graphs):
            for _ in range(CALLS):
                work()
    (graph,) = graphs.values()
    return lambda: milliseconds(graph.start) / CALLS


def copy_rate(nbytes: int, repeats: int = 30, before: int = 5) -> float:
    """GB/s of a copy on the device that reads nbytes / 2 and writes nbytes / 2: the median of `repeats`."""
    zeros = np.zeros(nbytes // 2, np.uint8)
    source, target = zeros if SIMULATED else cuda.to_device(zeros), cuda.to_device(zeros)
    times = [milliseconds(lambda: target.copy_to_device(source, stream=stream())) for _ in range(before + repeats)]
    return nbytes / statistics.median(times[before:]) / 1e6

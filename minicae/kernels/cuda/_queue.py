"""Launches that go to the device together: a training step is one graph there, and not a hundred calls from here.

A launch takes tens of microseconds of Python, longer than most kernels run. Within `together(graphs)` none is made: they are
written down, and when the block ends, or when something has to be read, the whole list goes out. A list that comes for the
second time is captured as a graph of CUDA's, and from then on one call starts it. Lists are the same if they have the same
kernels in the same order, with the same grids, addresses and numbers; so no graph is ever out of date. Where something was
changed between two steps, a batch size or a rate of dropout, the list is another one.

What changes at every step would make every list another. Such numbers are no part of it: they lie in the device's memory,
where the kernels read them, and are sent there ahead of the list.

All launches are on one stream. Whoever holds `LOCK` is alone in making them, since a capture takes in whatever comes, and in
copying, since a copy on no stream spoils a capture.
"""

import contextlib
import functools
import threading
import weakref

import numpy as np

from minicae.kernels.cuda._device import SIMULATED, binding, cuda, driver, send

LOCK = threading.RLock()
ROOM = 64  # numbers that a list may have
MOST = 8  # lists that are remembered


@functools.cache
def stream():
    """The stream of all launches. Copies that are on no stream wait for it, and it for them."""
    return cuda.stream()


@functools.cache
def slots(real):
    """Where kernels read what changes from step to step."""
    return cuda.device_array(ROOM, real)


class Graph:
    """Launches as the device keeps them, and the arrays that they are for, as long as this object lives."""

    def __init__(self, launches):
        self.launches = launches
        if SIMULATED:
            return
        handle = stream().handle
        with cuda.defer_cleanup():  # no memory is given back meanwhile
            driver.cuStreamBeginCapture(handle, binding.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED)
            try:
                make(launches)
            finally:
                captured = driver.cuStreamEndCapture(handle)
        self.handle = driver.cuGraphInstantiate(captured, 0)
        driver.cuGraphDestroy(captured)
        weakref.finalize(self, driver.cuGraphExecDestroy, self.handle).atexit = False

    def start(self):
        """Make all of the launches."""
        if SIMULATED:
            make(self.launches)
        else:
            driver.cuGraphLaunch(self.handle, stream().handle)


def make(launches):
    """Make launches one by one."""
    for launch in launches:
        launch()


class Queue:
    """Launches that were put and have not gone out, and the numbers that they will read."""

    def __init__(self):
        self.graphs = None  # {list: its Graph, or None where it came only once}; where there is none, nothing waits
        self.waiting, self.numbers = [], {}
        self.events = 0  # launches that were put and arrays that were made, ever
        self.begun = 0  # lists that were begun, ever

    def put(self, marks, ready, real, numbers=()):
        """One launch: ready(array of its numbers) is a function that makes it; marks tell it from others."""
        with LOCK:
            before = self.numbers.get(real, ())
            if len(before) + len(numbers) > ROOM:
                self.flush()
            first = 0
            if numbers:
                held = self.numbers.setdefault(real, [])
                first = len(held)
                held.extend(numbers)
            self.waiting.append((marks, ready, real, first, len(numbers)))
            self.events += 1
            if self.graphs is None:
                self.flush()

    def flush(self):
        """Let what waits go out."""
        with LOCK:
            (waiting, self.waiting), (numbers, self.numbers) = (self.waiting, []), (self.numbers, {})
            self.begun += 1
            for real, values in numbers.items():
                host = np.zeros(ROOM, real)
                host[: len(values)] = values
                send(host, slots(real))
            if waiting:
                self._start(waiting)

    def _start(self, waiting):
        if self.graphs is None:
            make(map(_made_ready, waiting))
            return
        graphs, marks = self.graphs, tuple(launch[0] for launch in waiting)
        again, graph = marks in graphs, graphs.pop(marks, None)
        if graph is None:
            launches = list(map(_made_ready, waiting))
            graph = Graph(launches) if again else None
        graph.start() if graph else make(launches)
        graphs[marks] = graph  # now the youngest
        if len(graphs) > MOST:
            del graphs[next(iter(graphs))]

    def taken(self):
        """What waits, to be put again."""
        return list(self.waiting), {real: list(numbers) for real, numbers in self.numbers.items()}

    def put_again(self, taken):
        """Put what waited once, where nothing waits now."""
        waiting, numbers = taken
        self.waiting, self.numbers = list(waiting), {real: list(numbers[real]) for real in numbers}

    def before_writing(self, array):
        """Let what waits go out, if it has to do with an array that is about to be written from here."""
        first, last, _ = mark(array)
        for marks, *_ in self.waiting:
            if any(isinstance(one, tuple) and one[0] < last and first < one[1] for one in marks):
                return self.flush()


QUEUE = Queue()
_pinned = weakref.WeakValueDictionary()  # {id: array}


@contextlib.contextmanager
def together(graphs: dict):
    """Launches inside wait for each other in the queue. `graphs` is for whoever repeats them to keep; empty at first."""
    with LOCK:
        if QUEUE.graphs is not None:  # within another one
            yield QUEUE
            return
        QUEUE.graphs = graphs
        try:
            yield QUEUE
            QUEUE.flush()
        finally:
            QUEUE.graphs, QUEUE.waiting, QUEUE.numbers = None, [], {}


def mark(array):
    """(start, end, dtype) of an array: where it lies, in bytes."""
    found = getattr(array, "_mark", None)
    if found is None:
        start = address(array)
        found = array._mark = start, start + array.size * array.dtype.itemsize, array.dtype.char
    return found


def address(array) -> int:
    """Where an array begins."""
    return array._ary.ctypes.data if SIMULATED else array.__cuda_array_interface__["data"][0]


def pinned(shape, dtype):
    """Memory of the host that the device reads by itself: an `upload` from there is not waited for."""
    array = cuda.pinned_array(shape, dtype)
    _pinned[id(array)] = array
    return array


def is_pinned(host) -> bool:
    """Whether it is, or is part of, what `pinned` gave."""
    return any(one is not None and _pinned.get(id(one)) is one for one in (host, host.base))


def _made_ready(launch):
    _, ready, real, first, count = launch
    return ready(slots(real)[first : first + count] if count else None)

"""The only place where this backend meets Numba's decorators: how a kernel is compiled, cached and launched.

Two words are used all over the backend. A `helper` is a serial compiled function, called from other compiled ones. An
`entry` is what Python calls: one loop over `prange`, with serial helpers inside. An entry is compiled for one thread or
for the pool, whichever its amount of work asks for, once for each dtype, at its first use; the result is kept on disk.

The disk cache can be wrong or broken in ways that Numba does not notice, so it is wrapped: a change in any file of this
backend empties it, whatever fails to load is compiled again, whatever fails to save is a warning.
"""

import contextlib
import functools
import hashlib
import math
import os
import pathlib
import threading
import warnings

# After a parallel region GNU OpenMP's threads spin for milliseconds, and take the cores from whatever runs next; asleep at
# once, they are slow to wake, and the next kernel is only microseconds away. So they spin just that long. The variables
# are read when the pool starts; a user's own settings are left alone.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

import numba
from numba.core.caching import FunctionCache, NullCache

from minicae.kernels.cpu import _notice

# "nnan" and "ninf" are left out, so that a NaN stays visible; "arcp" too, so that a division by 9 is a division by 9.
FASTMATH = {"contract", "reassoc", "nsz"}
SERIAL_WORK = 40_000  # below so many elementary operations, waking the pool costs more than it saves

# Starts the threading layer. Code loaded from the cache, serial code too, calls into it by address and must find it there.
numba.get_num_threads()

# A parallel region lets other Python threads run. They must not enter a kernel meanwhile: all kernels share their scratch
# memory, and Numba's workqueue layer ends the process when two threads launch at once.
_one_at_a_time = threading.Lock()


def _after_fork():
    """GNU OpenMP's pool does not survive a fork, and ends the process that asks for it: a child stays with one thread."""
    global SERIAL_WORK, _one_at_a_time
    SERIAL_WORK, _one_at_a_time = math.inf, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

_HERE = pathlib.Path(__file__).parent
_FINGERPRINT = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_HERE.glob("*.py")))).hexdigest()


class _SafeCache(FunctionCache):
    """Numba's cache, stale when any file of the backend has changed, and never a reason to stop.

    Numba's own key does not tell the two versions of an entry apart; handing one out for the other ends the process.
    """

    def __init__(self, function, parallel):
        super().__init__(function)
        self._parallel = parallel
        self._cache_file._source_stamp = (self._cache_file._source_stamp, _FINGERPRINT)

    def _index_key(self, sig, codegen):
        return (*super()._index_key(sig, codegen), self._parallel)

    def load_overload(self, sig, target_context):
        loaded = None
        try:
            loaded = super().load_overload(sig, target_context)
        except Exception as error:
            warnings.warn(f"minicae: damaged kernel cache emptied ({type(error).__name__}: {error})", RuntimeWarning)
            self._empty()
        if loaded is None:
            _notice.begin(_title(self._py_func), self.cache_path)
        return loaded

    def save_overload(self, sig, data):
        _notice.end()
        try:
            super().save_overload(sig, data)
        except Exception as error:
            self._empty()
            warnings.warn(f"minicae: compiled kernel not cached ({type(error).__name__}: {error})", RuntimeWarning)

    def _empty(self):
        """Forget what is on disk for this function, so that the next run writes it anew."""
        with contextlib.suppress(Exception):
            self.flush()


class _NoCache(NullCache):
    """Where no folder can be written: kernels are compiled in memory, in every process anew."""

    def __init__(self, function):
        self._function = function

    def load_overload(self, sig, target_context):
        _notice.begin(_title(self._function), None)

    def save_overload(self, sig, data):
        _notice.end()


def _title(function):
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__.lstrip('_')}"


def _compiled(function, parallel, effort):
    dispatcher = numba.njit(error_model="numpy", fastmath=FASTMATH, parallel=parallel)(function)
    if not numba.config.DISABLE_JIT:
        try:
            dispatcher._cache = _SafeCache(function, parallel)
        except Exception:
            dispatcher._cache = _NoCache(function)
        if "NUMBA_OPT" not in os.environ:
            dispatcher.compile = functools.partial(_compile, dispatcher.compile, effort)
    return dispatcher


def _compile(compile_signature, effort, signature):
    """Numba's own `compile`, with LLVM's optimisation level turned down to `effort` meanwhile."""
    usual = numba.config.OPT
    numba.config.OPT = type(usual)(effort)
    try:
        return compile_signature(signature)
    finally:
        numba.config.OPT = usual


def helper(function):
    """A serial compiled function, for use inside other compiled functions only."""
    return numba.njit(error_model="numpy", fastmath=FASTMATH, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


class entry:
    """A compiled function that Python calls as `kernel(work, *arrays)`, on one thread or on the pool.

    `work` is the number of elementary operations (multiply-adds, elements moved) of this call. Both versions give the
    same bits: what a thread computes does not depend on which thread it is, nor on how many there are.
    """

    def __init__(self, function, effort=3):
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.serial = _compiled(function, False, effort)
        self.parallel = _compiled(function, True, effort)

    def __call__(self, work, *arguments):
        version = self.parallel if work > SERIAL_WORK and numba.get_num_threads() > 1 else self.serial
        with _one_at_a_time:
            return version(*arguments)


def entry_of_tiles(function):
    """An entry whose inner loops are written by hand, in vectors: LLVM's third level finds nothing there, and takes long."""
    return entry(function, effort=2)


def in_every_version(call) -> int:
    """Make this call with all entries in their version for one thread, then for the pool. Returns how many were compiled."""
    global SERIAL_WORK
    usual, before = SERIAL_WORK, len(_notice.compiled)
    try:
        for SERIAL_WORK in (math.inf, -1):
            call()
    finally:
        SERIAL_WORK = usual
    return len(_notice.compiled) - before

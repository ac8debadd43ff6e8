"""The kernel tests as plain calls, for those who run them without pytest: each test on one backend, parameter by parameter.

As a program, `python -m tests.kernels.cases [most]`, it runs them in this process, whatever Numba has been told by its
environment, and at most so many of each test. It stops at the first that fails, and prints how many held. Uncompiled, what
takes long is left out.
"""

import importlib
import inspect
import itertools
import math
import random
import signal
import sys
from collections.abc import Iterator
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, settings

MODULES = [
    *("conv", "dense", "elementary", "elementwise", "guard", "linear_kernels", "objectives", "optim", "pool_upsample"),
    *("threads", "through", "winograd"),
]
EXAMPLES = 25  # of each test that draws them
SLOW = 0.3  # seconds of the processor that a case may take, uncompiled


class Case(NamedTuple):
    """A test and its arguments."""

    function: object
    arguments: dict

    def run(self):
        self.function(**self.arguments)

    def __str__(self):
        shown = {name: getattr(value, "__name__", value) for name, value in self.arguments.items()}
        return f"{self.function.__module__}.{self.function.__name__}({shown})"


class Late(BaseException):
    """A case takes too long."""


class limited:
    """Raises Late in a block that takes longer than some seconds of the processor."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        def late(*_):
            raise Late

        signal.signal(signal.SIGPROF, late)
        signal.setitimer(signal.ITIMER_PROF, self.seconds if math.isfinite(self.seconds) else 0)

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_PROF, 0)


def uncompiled_strictly() -> None:
    """Where kernels run uncompiled, let them run as the last of all threads, backwards, in scratch memory of just the size
    that was asked for: what counts on other iterations, on order or on more memory fails.
    """
    import numba
    import numpy as np

    importlib.import_module("minicae.kernels.cpu")
    numba.get_thread_id = lambda: numba.config.NUMBA_NUM_THREADS - 1
    strict = {
        "scratch": lambda dtype, size: np.full(size, np.nan, dtype),
        "prange": lambda *bounds: reversed(range(*bounds)),
    }
    for name, module in list(sys.modules.items()):
        if name.startswith("minicae.kernels.cpu."):
            vars(module).update((key, strict[key]) for key in strict.keys() & vars(module).keys())


def cases(backend: str, most: int | None = None) -> Iterator[Case]:
    """All cases, or at most so many of each test, drawn at random and always the same."""
    module = importlib.import_module(f"minicae.kernels.{backend}")
    for name in MODULES:
        for function in vars(importlib.import_module(f"tests.kernels.test_{name}")).values():
            if getattr(function, "__name__", "").startswith("test_"):
                found = list(_of(function, module))
                yield from found if most is None or len(found) <= most else random.Random(0).sample(found, most)


def _of(function, backend):
    """The cases of one test; none where it needs what only pytest can give."""
    marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
    columns = []
    for mark in marks:
        names = [name.strip() for name in mark.args[0].split(",")]
        columns.append([dict(zip(names, row if len(names) > 1 else (row,))) for row in mark.args[1]])
    needed = set(inspect.signature(function).parameters)
    if needed - {"backend"} != {name for column in columns for name in column[0]}:
        return
    if hasattr(function, "hypothesis"):
        function._hypothesis_internal_use_settings = settings(
            max_examples=EXAMPLES, database=None, derandomize=True, deadline=None, phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck), print_blob=False,
        )  # fmt: skip
    for chosen in itertools.product(*columns):
        arguments = {name: value for one in chosen for name, value in one.items()}
        yield Case(function, arguments | ({"backend": backend} if "backend" in needed else {}))


def main(most):
    import numba
    import pytest

    held = 0
    if numba.config.DISABLE_JIT:
        uncompiled_strictly()
    for case in cases("cpu", most):
        try:
            with limited(SLOW if numba.config.DISABLE_JIT else math.inf):
                case.run()
            held += 1
        except (Late, pytest.skip.Exception):
            continue
        except BaseException:
            print(case, file=sys.stderr)
            raise
    print(numba.config.NUMBA_NUM_THREADS, "threads,", held, "held")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)

"""Where the time of a training step goes: each kernel of each layer, beside what the machine can do at most.

`profile(model, x)` trains a copy of the model for a few steps. Every function of the backend is replaced by one that looks
at the clock before and after, and each layer is told apart by the module of kernels that it is handed.
"""

import contextlib
import copy
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minicae import kernels

# (the array whose pixels each meet all of w, w) among the arguments of the kernels that multiply matrices
PRODUCTS = {
    "dense_forward": (3, 1),
    "dense_backward": (1, 2),
    "dense_backward_input": (0, 1),
    "dense_backward_weight": (1, 2),
    "conv2d_forward": (3, 1),
    "conv2d_backward_input": (0, 1),
    "conv2d_backward_weight": (1, 2),
    "conv2d_transpose_forward": (0, 1),
    "conv2d_transpose_backward_input": (2, 1),
    "conv2d_transpose_backward_weight": (0, 2),
}


class Row(NamedTuple):
    """One kernel of one layer, summed over a step."""

    layer: str
    kernel: str
    calls: int
    ms: float  # median over the steps
    flops: int  # of the direct product, two for a multiply-add; 0 for kernels that move numbers
    nbytes: int  # arrays read plus arrays written

    @property
    def gflops(self) -> float:
        """GFLOP/s, counted as direct work whatever the algorithm."""
        return self.flops / max(self.ms, 1e-9) / 1e6

    @property
    def gbytes(self) -> float:
        """GB/s."""
        return self.nbytes / max(self.ms, 1e-9) / 1e6


@dataclass(frozen=True)
class Profile:
    """The rows, and what they are compared with. `str` makes a table of it.

    Parameters
    ----------
    rows : in the order in which the kernels run
    step_ms : milliseconds of a whole step, measured without the clocks; median
    peak : GFLOP/s that the threads reach in registers; None where the backend has no measure of it
    threads : that the kernels ran on
    title : the model and the batch
    """

    rows: tuple
    step_ms: float
    peak: float | None
    threads: int
    title: str

    @property
    def rest_ms(self) -> float:
        """Milliseconds of a step outside all kernels."""
        return max(0.0, self.step_ms - sum(row.ms for row in self.rows))

    def __str__(self):
        lines = [("layer", "kernel", "calls", "ms", "of step", "GFLOP/s", "of peak", "GB/s")]
        for row in self.rows:
            rate = f"{row.gflops:,.1f}" if row.flops else ""
            share = f"{row.gflops / self.peak:.0%}" if row.flops and self.peak else ""
            part = f"{row.ms / self.step_ms:.1%}"
            lines.append(
                (row.layer, row.kernel, str(row.calls), f"{row.ms:.3f}", part, rate, share, f"{row.gbytes:.1f}")
            )
        lines.append(
            ("", "between kernels", "", f"{self.rest_ms:.3f}", f"{self.rest_ms / self.step_ms:.1%}", *[""] * 3)
        )
        widths = [max(map(len, column)) for column in zip(*lines)]
        table = [
            "  ".join(
                cell.ljust(width) if place < 2 else cell.rjust(width) for place, (cell, width) in columns
            ).rstrip()
            for columns in (enumerate(zip(line, widths)) for line in lines)
        ]
        table.insert(1, "-" * max(map(len, table)))
        bound = f", which reach {self.peak:,.0f} GFLOP/s in registers" if self.peak else ""
        return "\n".join(
            (
                f"{self.title}: a training step takes {self.step_ms:.3f} ms on {self.threads} threads{bound}",
                *table,
                "GFLOP/s count the direct product, whatever the algorithm; GB/s count arrays read plus arrays written",
                "comparisons with other libraries: python -m benchmarks, in a checkout of the repository",
            )
        )


def profile(model, x, steps: int = 10) -> Profile:
    """Train a copy of a compiled model on x (N, *input_shape), its own target, for some steps, and time every kernel.

    Parameters
    ----------
    model : a compiled `Sequential`; it keeps its weights
    x : one batch of samples
    steps : steps that are timed, once without and once with the clocks
    """
    model = copy.deepcopy(model)
    model.train_on_batch(x)  # checks x, compiles, allocates
    x = np.ascontiguousarray(x, model.dtype)
    watch, whole = _Watch(), []
    for _ in range(steps):  # in turn, so that both kinds see the same machine
        whole.append(_seconds(lambda: model.trainer.step(x, x)))
        with watch.over(model):
            model.trainer.step(x, x)
        watch.end_step()
    facts = kernels.backend("cpu").facts() if model.backend == "cpu" else {}
    threads = int(facts.get("threads", 1))
    peak = None
    if facts:
        from minicae.kernels.cpu.peak import fma_peak

        peak = fma_peak(threads)
    title = f"{len(x)} samples of {'x'.join(map(str, model.input_shape))}, {model.parameters.size:,} parameters"
    return Profile(tuple(watch.rows()), statistics.median(whole) * 1e3, peak, threads, title)


class _Watch:
    """Seconds of each (layer, kernel) in each step, with what a call costs."""

    def __init__(self):
        self.place = None  # the layer whose kernel is about to run
        self.steps = []
        self.costs = {}
        self._now = defaultdict(float)

    @contextlib.contextmanager
    def over(self, model):
        """Within it, every kernel of the model's backend is timed. `model` is a copy that nobody else uses."""
        module, last = model.kernels, model.parameters.values[:1]
        wait = (lambda: module.download(last)) if model.away else (lambda: None)  # a device works on by itself
        kept = {name: getattr(module, name) for name in module.__all__}
        for leaf in model.leaves():
            leaf._kernels = _Labelled(self, leaf.name, module)
        try:
            for name, kernel in kept.items():
                setattr(module, name, self._timed(name, kernel, wait))
            yield
        finally:
            for name, kernel in kept.items():
                setattr(module, name, kernel)
            for leaf in model.leaves():
                leaf._kernels = module

    def _timed(self, name, kernel, wait):
        def timed(*arguments, **settings):
            place, self.place = self.place or _owner(name), None
            start = time.perf_counter()
            result = kernel(*arguments, **settings)
            wait()
            self._now[place, name] += time.perf_counter() - start
            if not self.steps:
                before = self.costs.get((place, name), (0, 0, 0))
                cost = 1, flops(name, arguments), nbytes(name, (*arguments, *settings.values()))
                self.costs[place, name] = tuple(map(sum, zip(before, cost)))
            return result

        return timed

    def end_step(self):
        self.steps.append(self._now)
        self._now = defaultdict(float)

    def rows(self):
        for (place, name), (calls, operations, moved) in self.costs.items():
            ms = statistics.median(step[place, name] for step in self.steps) * 1e3
            yield Row(place, name, calls, ms, operations, moved)


class _Labelled:
    """The module of kernels as one layer sees it: says which layer asked."""

    def __init__(self, watch, label, module):
        self._watch, self._label, self._module = watch, label, module

    def __getattr__(self, name):
        if name in self._module.__all__:
            self._watch.place = self._label
        return getattr(self._module, name)


def _owner(name):
    """Who calls a kernel that no layer has asked for."""
    if name.endswith("_step"):
        return "optimizer"
    return "loss" if name.startswith(("mse", "mae", "bce")) else "trainer"


def flops(name: str, arguments) -> int:
    """Operations of a product, computed directly: two for each weight that a pixel meets. 0 for other kernels.

    `dense_backward` is two products.
    """
    if name not in PRODUCTS:
        return 0
    pixels, w = (arguments[place] for place in PRODUCTS[name])
    return (4 if name == "dense_backward" else 2) * (pixels.size // w.shape[w.ndim - 1]) * w.size


def nbytes(name: str, arguments) -> int:
    """Bytes of all arrays that a kernel is given; an optimizer reads and writes all of its own but the gradient."""
    flat = (one for argument in arguments for one in (argument if isinstance(argument, tuple) else (argument,)))
    arrays = [one.nbytes for one in flat if isinstance(one, np.ndarray) or kernels.is_away(one)]
    return 2 * sum(arrays) - arrays[1] if name.endswith("_step") else sum(arrays)


def _seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start

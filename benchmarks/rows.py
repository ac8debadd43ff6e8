"""Rows, as numbers and as text: one contestant at one problem."""

import statistics
from dataclasses import dataclass

HEADER = {
    "ms": "ms: median and least.  GFLOP/s count the direct algorithm, GB/s the arrays that must be read or written.\n"
    "of peak: products, of multiply-adds in registers; the others, of a copy that moves as many bytes (in cache where\n"
    "the arrays fit there).  ratio: time relative to the first row of minicae, round by round.  error: the constant c in\n"
    "|got - want| <= c * 2^-24 * scale, against float64; scale = |w| * |x| for products, else the largest |want|;\n"
    "whole networks: the length of each array's error by its own.",
    "s": "seconds: median and least of fresh processes.  ratio: relative to the first row of minicae, round by round.",
    "MiB": "MiB: median and least.  ratio: relative to the first row of minicae.",
    "MSE": "MSE: mean squared error, white is 1.  ratio: to the MSE of principal components.",
    "dB": "dB: mean peak signal-to-noise ratio of the images.",
    "MSE in the hole": "MSE in the hole: mean squared error of what is missing.  ratio: to that of the mean image.",
    "AUC": "AUC: area under the ROC curve of the reconstruction error, mean over the digits; 0.5 is chance.",
    "%": "%: share of the test images that are named rightly.",
}


@dataclass
class Row:
    """What one contestant reached.

    Parameters
    ----------
    case : the problem, in words
    contestant : who
    median, least : of all measurements, in `unit`; None where there are none, and `note` says why
    count : of measurements
    unit : "ms", "s", "MiB" or another of HEADER
    ratio : how many times as much as minicae, or as HEADER says; None where there is nothing to compare with
    flops, nbytes : of the problem
    peak : GFLOP/s or GB/s that the machine reached in the same rounds; `bound` says which, "fma" or "copy"
    error : the constant c
    note : why there is no measurement, or what else must be said
    """

    case: str
    contestant: str
    median: float | None = None
    least: float | None = None
    count: int = 0
    unit: str = "ms"
    ratio: float | None = None
    flops: int = 0
    nbytes: int = 0
    peak: float | None = None
    bound: str = ""
    error: float | None = None
    note: str = ""

    @classmethod
    def of(cls, case, contestant, values, **more):
        """A row of measurements; of none, if there are none."""
        if not values:
            return cls(case, contestant, **more)
        return cls(case, contestant, statistics.median(values), min(values), len(values), **more)

    @property
    def gflops(self):
        """GFLOP/s, or None."""
        return self.flops / self.median / 1e6 if self.flops and self.median and self.unit == "ms" else None

    @property
    def gbytes(self):
        """GB/s, or None."""
        return self.nbytes / self.median / 1e6 if self.nbytes and self.median and self.unit == "ms" else None

    @property
    def share(self):
        """Of the machine's own peak, or None."""
        rate = {"fma": self.gflops, "copy": self.gbytes}.get(self.bound)
        return rate / self.peak if rate and self.peak else None

    def cells(self):
        """The row as a list of texts, below `TITLES`."""
        return [
            self.contestant,
            _number(self.median),
            _number(self.least),
            _number(self.gflops),
            _number(self.gbytes),
            "" if self.share is None else f"{self.share:.0%}",
            "" if self.ratio is None else f"{self.ratio:.2f}",
            "" if self.error is None else f"{self.error:.1f}",
            self.note,
        ]


def titles(unit):
    """What stands above `Row.cells`."""
    return ["", unit, "least", "GFLOP/s", "GB/s", "of peak", "ratio", "error", ""]


def table(rows) -> str:
    """Rows of one case as text, columns that all leave empty left out."""
    lines = [titles(rows[0].unit), *(row.cells() for row in rows)]
    kept = [column for column in zip(*lines) if any(column[1:])]
    widths = [max(map(len, column[:-1] if place == len(kept) - 1 else column)) for place, column in enumerate(kept)]
    text = (
        "  ".join(
            cell.ljust(width) if column[0] == "" else cell.rjust(width)
            for cell, width, column in zip(cells, widths, kept)
        ).rstrip()
        for cells in zip(*kept)
    )
    return "\n".join([f"\n{rows[0].case}", *(f"  {line}" for line in text)])


def _number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value >= 1 or value < 0.1 else f"{value:.3f}"

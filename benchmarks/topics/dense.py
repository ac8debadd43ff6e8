"""Dense layers: those of 784-100-30-100-784, and a large one."""

from benchmarks.problems import Dense

TITLE = "dense layers"
CONTESTANTS = "minicae", "NumPy", "PyTorch", "JAX"
SIZES = (128, 784, 100), (128, 100, 30), (128, 100, 784), (512, 1_024, 1_024)


def rows(session):
    """One case a size and direction."""
    for size in [(8, 5, 7)] if session.quick else SIZES:
        for direction in ("forward", "backward"):
            yield from session.compare(Dense(direction, *size), CONTESTANTS)

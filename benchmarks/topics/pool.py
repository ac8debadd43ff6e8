"""Max pooling, at the two sizes of the network."""

from benchmarks.passes import Resizing

TITLE = "max pooling by 2"
CONTESTANTS = "minicae", "NumPy", "PyTorch", "PyTorch channels_last"
SIZES = (64, 14, 64), (64, 7, 128)  # images, pixels of the smaller side, channels


def rows(session):
    """One case a size and direction."""
    for size in [(1, 2, 3)] if session.quick else SIZES:
        for direction in ("forward", "backward"):
            yield from session.compare(Resizing(f"maxpool2d_{direction}", *size), CONTESTANTS)

"""Nearest and bilinear upsampling, at the two sizes of the network."""

from benchmarks.passes import Resizing

TITLE = "upsampling by 2"
CONTESTANTS = "minicae", "NumPy", "PyTorch", "PyTorch channels_last"
SIZES = (64, 7, 128), (64, 14, 64)  # images, pixels of the smaller side, channels


def rows(session):
    """One case a size, kind and direction."""
    for size in [(1, 2, 3)] if session.quick else SIZES:
        for kind in ("nearest", "bilinear"):
            for direction in ("forward", "backward"):
                yield from session.compare(Resizing(f"upsample_{kind}_{direction}", *size), CONTESTANTS)

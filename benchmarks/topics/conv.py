"""Convolutions: the ladder from six loops upwards at a tiny size, then every convolution of the network."""

from benchmarks.problems import Convolution

TITLE = "3x3 convolutions and their gradients"
BATCH = 64
LAYERS = (28, 1, 64), (14, 64, 128), (7, 128, 256), (7, 256, 128), (14, 128, 64), (28, 64, 1)  # pixels, C, F
DIRECTIONS = "forward", "backward_input", "backward_weight"
OURS = "minicae", "minicae im2col", "minicae Winograd"
LADDER = ("six loops", "SciPy", "NumPy im2col", *OURS, "PyTorch")
CONTESTANTS = (*OURS, "NumPy im2col", "PyTorch", "PyTorch channels_last", "JAX")


def rows(session):
    """One case a layer and direction."""
    size = (1, 5, 2, 3) if session.quick else (2, 14, 8, 16)
    yield from session.compare(Convolution("forward", *size), LADDER)
    for direction in DIRECTIONS:
        for H, C, F in LAYERS[1:2] if session.quick else LAYERS:
            problem = Convolution(direction, 1 if session.quick else BATCH, H, C, F)
            yield from session.compare(problem, CONTESTANTS)

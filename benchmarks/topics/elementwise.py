"""What only moves numbers: activation, batch normalisation, loss, optimizer."""

from benchmarks.passes import Elementwise

TITLE = "activation, batch normalisation, loss, optimizer"
CONTESTANTS = "minicae", "NumPy", "PyTorch", "PyTorch channels_last"
CASES = {  # images, pixels of a side, channels: as in the network; Adam has as many numbers as the network
    "relu_forward": (64, 28, 64),
    "relu_backward": (64, 28, 64),
    "batchnorm_forward": (64, 28, 64),
    "batchnorm_backward": (64, 28, 64),
    "bce_logits": (64, 28, 1),
    "adam": (1, 1, 739_073),
}


def rows(session):
    """One case an operation."""
    for operation, size in CASES.items():
        yield from session.compare(Elementwise(operation, *((2, 3, 4) if session.quick else size)), CONTESTANTS)

"""The machine as a contestant: what it can do at most, measured in the same rounds as everybody else."""

_threads = 1


def begin(threads):
    """Remember the number of threads, and compile."""
    global _threads
    _threads = threads
    fma()


def fma():
    """GFLOP/s of float32 multiply-adds in registers."""
    from minicae.kernels.cpu.peak import fma_peak

    return fma_peak(_threads)


def copy(nbytes):
    """GB/s of a copy that reads nbytes / 2 and writes nbytes / 2."""
    from minicae.kernels.cpu.peak import copy_rate

    return copy_rate(nbytes, _threads)


def vector_bytes():
    """Bytes of a vector in minicae's kernels."""
    from minicae.kernels.cpu._micro import VECTOR_BYTES

    return VECTOR_BYTES

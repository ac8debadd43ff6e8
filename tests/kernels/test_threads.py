"""The same bits from every kernel, whether one thread runs it or all of them."""

import numba
import numpy as np
import pytest

from minicae.inspection.doctor import calls
from minicae.kernels import cpu


def results(threads):
    """Every array of every call of the doctor's, written or not, and what is returned."""
    numba.set_num_threads(threads)
    for name, *arguments in calls(np.random.default_rng(0)):
        yield name, [getattr(cpu, name)(*arguments), *(a for a in arguments if isinstance(a, np.ndarray))]


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS == 1, reason="one thread is all there is")
def test_one_thread_and_all_of_them_give_the_same_bits():
    before = numba.get_num_threads()
    try:
        alone, together = list(results(1)), list(results(numba.config.NUMBA_NUM_THREADS))
        for (name, one), (_, many) in zip(alone, together):
            for a, b in zip(one, many):
                assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), name
    finally:
        numba.set_num_threads(before)

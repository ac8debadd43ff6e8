"""The machine's peaks: the kernels do what they are said to do. How fast is asserted nowhere."""

import numpy as np
import pytest

from minicae.kernels.cpu import peak


def test_every_chain_ends_where_halving_leads():
    sums = np.zeros(1, np.float32)
    peak._multiply_add(0, 200, sums)
    assert sums[0] == pytest.approx(peak.CHAINS, rel=1e-5)
    peak._multiply_add(0, 0, sums)
    starts = [1 + chain / 16 for chain in range(peak.CHAINS)]
    assert sums[0] == pytest.approx(sum(starts), rel=1e-6)


@pytest.mark.parametrize("shares", [1, 3])
def test_a_copy_is_a_copy(shares):
    source = np.arange(1001, dtype=np.float32)
    target = np.zeros_like(source)
    peak._copy(0, source, target, shares)
    assert np.array_equal(source, target)


def test_rates_are_positive(monkeypatch):
    monkeypatch.setattr(peak, "ROUNDS", 1000)
    monkeypatch.setattr(peak, "LEAST_SECONDS", 0.0)
    assert peak.fma_peak(1) > 0 and peak.copy_rate(4096, 1) > 0
    with pytest.raises(ValueError):
        peak.fma_peak(10_000)

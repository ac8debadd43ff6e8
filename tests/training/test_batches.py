"""Batches: every sample once, in an order of samples and not of batch starts, in memory that is lent."""

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import DataError
from minicae.training import batches
from minicae.training.batches import Batches, Images


def numbered(n):
    """Sample k is filled with k."""
    return Images(
        np.arange(n, dtype=np.float32)[:, None, None, None] * np.ones((2, 3, 1), np.float32), (2, 3, 1), np.dtype("f4")
    )


def one_epoch(n, size, rng, target=None):
    return [(x.copy(), y.copy()) for x, y in Batches(numbered(n), target, size, rng)]


@pytest.mark.parametrize("n, size", [(20, 5), (20, 7), (20, 20), (20, 64), (1, 1)])
def test_every_sample_once(n, size):
    for rng in (None, np.random.default_rng(0)):
        epoch = one_epoch(n, size, rng)
        sizes = [len(x) for x, _ in epoch]
        assert sizes == [size] * (n // size) + [n % size] * (n % size > 0)
        seen = np.concatenate([x[:, 0, 0, 0] for x, _ in epoch])
        assert sorted(seen) == list(range(n))
        if rng is None:
            assert list(seen) == list(range(n))
        assert len(epoch) == len(Batches(numbered(n), None, size, rng))


def test_samples_are_shuffled_and_not_only_the_starts_of_batches():
    rng = np.random.default_rng(0)
    first, second = ([x[:, 0, 0, 0] for x, _ in one_epoch(40, 8, rng)] for _ in range(2))
    for batch in first:
        assert not np.array_equal(np.sort(batch), np.arange(batch.min(), batch.min() + 8))
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))
    again = [x[:, 0, 0, 0] for x, _ in one_epoch(40, 8, np.random.default_rng(0))]
    assert np.array_equal(first, again)


def test_pairs_stay_together():
    target = Images(np.arange(13.0)[:, None] * 10, (1,), np.dtype("f8"))
    for x, y in one_epoch(13, 4, np.random.default_rng(0), target):
        assert np.array_equal(x[:, 0, 0, 0] * 10, y[:, 0])


def test_without_a_target_the_input_is_the_target():
    for x, y in Batches(numbered(6), None, 4, None):
        assert x is y


def test_batches_are_lent():
    memory = {x.__array_interface__["data"][0] for x, _ in Batches(numbered(12), None, 4, None)}
    assert len(memory) == 1


def test_fit_shuffles_or_not():
    def order(shuffle):
        model = mc.Sequential([L.Dense(1)], 1)
        model.compile()
        seen = []
        forward = model.forward
        model.forward = lambda x, training=False: seen.extend(x[:, 0].tolist()) or forward(x, training)
        model.fit(np.arange(30.0)[:, None], epochs=2, batch_size=8, shuffle=shuffle, verbose=0)
        return seen

    assert order(False) == [*range(30), *range(30)]
    mixed = order(True)
    assert mixed != order(False) and mixed[:30] != mixed[30:]
    assert sorted(mixed[:30]) == sorted(mixed[30:]) == list(range(30))


def test_memory_maps_are_read_a_little_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "CHUNK_BYTES", 5 * 24)  # five samples
    values = np.memmap(tmp_path / "x", np.float32, "w+", shape=(23, 2, 3, 1))
    values[...] = np.random.default_rng(0).random(values.shape)
    images = Images(values, (2, 3, 1), np.dtype("f4"))
    chunks = list(images.chunks())
    assert [first for first, _ in chunks] == [0, 5, 10, 15, 20] and len(chunks[-1][1]) == 3
    assert np.shares_memory(images.values, values)
    assert np.allclose(images.mean(), values.mean(0, dtype=np.float64), rtol=1e-12)
    values[17, 1, 2, 0], values[22, 0, 0, 0] = np.nan, -np.inf
    with pytest.raises(DataError, match=r"holds 2 values that are not finite, the first at \(17, 1, 2, 0\)"):
        images.check_finite()


def test_parts_are_views():
    images = numbered(10)
    part = images.part(slice(6, None))
    assert len(part) == 4 and np.shares_memory(part.values, images.values) and len(images) == 10
    out = np.empty((2, 2, 3, 1), np.float32)
    assert (part.take(np.array([3, 0]), out)[:, 0, 0, 0] == [9, 6]).all()

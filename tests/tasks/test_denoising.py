"""Denoising: the model's answer, the median filter by hand, and the table."""

import numpy as np
import pytest

from minicae import metrics, tasks
from minicae.errors import DataError, SettingError, ShapeError


def test_denoise_is_the_reconstruction(trained, data):
    x = data[2]
    got = tasks.denoise(trained, x)
    assert np.array_equal(got, trained.reconstruct(x)) and not np.shares_memory(got, x)


def test_median_filter_by_hand():
    x = np.zeros((1, 3, 4, 1))
    x[0, 1, 1, 0] = 9  # one bright pixel goes
    x[0, :, 3, 0] = [1, 2, 3]  # a column at the border stays: it is repeated outwards
    # in the middle of it: 0, 0, 0, 1, 1, 2, 2, 3, 3
    assert np.array_equal(tasks.median_filter(x)[0, :, :, 0], [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 2]])
    assert np.array_equal(tasks.median_filter(x, 1), x)


@pytest.mark.parametrize("size", [3, 5])
def test_median_filter_agrees_with_scipy(size):
    ndimage = pytest.importorskip("scipy.ndimage")
    x = np.random.default_rng(0).random((2, 9, 7, 3))
    assert np.array_equal(tasks.median_filter(x, size), ndimage.median_filter(x, (1, size, size, 1), mode="nearest"))


def test_report(trained, data):
    x = data[2]
    noisy = x + np.random.default_rng(0).normal(0, 0.3, x.shape).astype(np.float32)
    report = tasks.denoising_report(trained, x, noisy)
    assert list(report.rows) == ["noisy", "median 3x3", "model"]
    assert report["noisy"]["psnr"] == pytest.approx(-20 * np.log10(0.3), abs=0.3)
    assert report["model"]["psnr"] > report["median 3x3"]["psnr"] > report["noisy"]["psnr"]
    assert report["model"]["ssim"] == pytest.approx(metrics.ssim(trained.reconstruct(noisy), x).mean())
    assert "ssim" in str(report)


def test_report_of_images_too_small_for_ssim():
    class Zero:
        def reconstruct(self, x):
            return 0 * x

    x = np.full((2, 6, 6, 1), 0.1)
    report = tasks.denoising_report(Zero(), x, x)
    assert report["model"] == {"psnr": pytest.approx(20.0)} and report["noisy"] == {"psnr": 200.0}


def test_refusals(trained, data):
    x = data[2]
    with pytest.raises(SettingError, match="must have reconstruct"):
        tasks.denoise(None, x)
    with pytest.raises(ShapeError, match="model wants"):
        tasks.denoise(trained, x[:, :6])
    with pytest.raises(DataError, match="not finite"):
        tasks.denoise(trained, x * np.nan)
    with pytest.raises(DataError, match="too small"):
        tasks.denoising_report(trained, x[:0], x[:0])
    with pytest.raises(ShapeError, match="one shape"):
        tasks.denoising_report(trained, x, x[:5])
    with pytest.raises(ShapeError, match="takes images"):
        tasks.median_filter(x[..., 0])
    with pytest.raises(SettingError, match="size must be odd, got 2"):
        tasks.median_filter(x, 2)

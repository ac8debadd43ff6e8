"""Denoising: a model trained with a noise layer first gives the clean image of a noisy one."""

import numpy as np

from minicae import metrics, shapes
from minicae.errors import SettingError, ShapeError
from minicae.tasks import _arrays
from minicae.tasks.report import Report


def denoise(model, x_noisy) -> np.ndarray:
    """The reconstruction of noisy samples (N, *input_shape), a fresh array: noise does not fit through the code.

    `model` has `reconstruct`; one that was trained on clean data alone copies some of the noise. Raises ShapeError and
    DataError for samples that the model does not take.
    """
    _arrays.needs(model, "reconstruct")
    return model.reconstruct(x_noisy)


def median_filter(x, size=3) -> np.ndarray:
    """Each pixel the median of the size x size pixels around it; the border's pixels are repeated outwards.

    x (N, H, W, C), each channel apart; `size` in pixels, odd. What denoising is compared with: it knows no data.
    """
    x = _arrays.samples(x)
    size = shapes.integer(size, "size")
    if x.ndim != 4:
        raise ShapeError("median_filter takes images (N, H, W, C)", x=x)
    if size % 2 == 0:
        raise SettingError(f"size must be odd, got {size}")
    border = size // 2
    padded = np.pad(x, ((0, 0), (border, border), (border, border), (0, 0)), mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2)), axis=(-2, -1))


def denoising_report(model, x, x_noisy) -> Report:
    """How near to clean images x the noisy ones are, a 3x3 median filter brings them, and the model does.

    Columns: psnr in decibels and ssim, means over images, for data in 0..1; ssim for images of 11x11 pixels and more.

    Parameters
    ----------
    model : with reconstruct
    x, x_noisy : (N, H, W, C), the same images clean and noisy, both with the labels that a conditional model takes, which
        are not compared
    """
    x, x_noisy = _arrays.samples(x), _arrays.samples(x_noisy, "x_noisy")
    if x.shape != x_noisy.shape:
        raise ShapeError("x and x_noisy must have one shape", x=x, x_noisy=x_noisy)
    made = denoise(model, x_noisy)
    x, x_noisy = (_arrays.unlabelled(model, one) for one in (x, x_noisy))
    candidates = {"noisy": x_noisy, "median 3x3": median_filter(x_noisy), "model": made}
    table = {name: {"psnr": float(metrics.psnr(one, x).mean())} for name, one in candidates.items()}
    if min(x.shape[1:3]) >= 11:
        for name, one in candidates.items():
            table[name]["ssim"] = float(metrics.ssim(one, x).mean())
    return Report(f"denoising, {len(x):,} images", table)

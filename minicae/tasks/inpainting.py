"""Inpainting: what is missing is filled by the model, what is known stays as it is.

A mask is an array of booleans, True where a pixel is missing. It has the shape of the samples, or one that broadcasts to it:
`square_mask`, `random_mask` and `half_mask` give (N, H, W, 1), one mask an image.
"""

import numpy as np

from minicae import conversion, ops, shapes
from minicae.errors import DataError, SettingError, ShapeError, shown
from minicae.tasks import _arrays
from minicae.tasks.report import Report

SIDES = ("left", "right", "top", "bottom")


def square_mask(shape, size, place="centre", seed=0) -> np.ndarray:
    """A square of `size` x `size` missing pixels in each image: (N, H, W, 1) booleans.

    Parameters
    ----------
    shape : (N, H, W, ...) of the images
    size : side in pixels, at most H and W
    place : "centre", "random" (another in each image, wholly inside) or (row, column) of the upper left corner
    seed : of random places
    """
    N, H, W = _image_shape(shape)
    size = shapes.integer(size, "size")
    if size > min(H, W):
        raise SettingError(f"a square of {size} pixels does not fit in an image of {H}x{W}")
    room = H - size, W - size
    if isinstance(place, str) and place == "random":
        rng = np.random.default_rng(shapes.integer(seed, "seed", 0))
        corners = rng.integers(0, np.add(room, 1), (N, 2))
    elif isinstance(place, str):
        if place != "centre":
            raise SettingError(f"place must be 'centre', 'random' or (row, column), got {shown(place)}")
        corners = np.tile(np.floor_divide(room, 2), (N, 1))
    else:
        place = shapes.pair(place, "place", 0)
        if place[0] > room[0] or place[1] > room[1]:
            raise SettingError(f"a square of {size} pixels at {place} leaves the image of {H}x{W}")
        corners = np.tile(place, (N, 1))
    i, j = (np.arange(side) - corner[:, None] for side, corner in ((H, corners[:, 0]), (W, corners[:, 1])))
    inside = [(offset >= 0) & (offset < size) for offset in (i, j)]
    return (inside[0][:, :, None] & inside[1][:, None, :])[..., None]


def random_mask(shape, share=0.5, seed=0) -> np.ndarray:
    """Each pixel missing with probability `share`: booleans (N, H, W, 1) for images (N, H, W, C), (N, C) for vectors."""
    share = shapes.number(share, "share", 0, 1)
    shape = shapes.sizes(shape, "shape")
    if len(shape) < 2:
        raise ShapeError(f"the shape of samples (N, ...) is wanted, got {shape}")
    rng = np.random.default_rng(shapes.integer(seed, "seed", 0))
    return rng.random((*shape[:3], 1) if len(shape) == 4 else shape) < share


def half_mask(shape, side="right") -> np.ndarray:
    """The "left", "right", "top" or "bottom" half missing: (N, H, W, 1) booleans. The middle of an odd side stays."""
    N, H, W = _image_shape(shape)
    if not isinstance(side, str) or side not in SIDES:
        raise SettingError(f"side must be one of {', '.join(map(repr, SIDES))}, got {shown(side)}")
    mask = np.zeros((N, H, W, 1), bool)
    part = {"left": np.s_[:, :, : W // 2], "right": np.s_[:, :, W - W // 2 :]}
    part |= {"top": np.s_[:, : H // 2], "bottom": np.s_[:, H - H // 2 :]}
    mask[part[side]] = True
    return mask


def inpaint(model, x, mask, iterations=1, fill=0.0) -> np.ndarray:
    """x (N, *input_shape) with what is missing filled by the model, a fresh array; known pixels are those of x, to the bit.

    The first reconstruction is that of x with `fill` where it is missing; each further one is that of the last, known pixels
    pasted back, so that what was filled is seen as part of the whole. What x holds under the mask is never read.

    Parameters
    ----------
    model : with reconstruct; best trained with `OcclusionNoise` or `MaskingNoise` first
    x : (N, *input_shape); anything, NaN too, under the mask
    mask : booleans, True where a number is missing; x.shape, or what broadcasts to it, such as (H, W, 1)
    iterations : reconstructions, at least 1, each of what the one before filled in. One suits a model trained with holes,
        which sees none in the second; scattered numbers missing from a model trained without may be found by several:
        `inpainting_report` compares
    fill : number or array (*input_shape) that stands for what is missing at first: what the noise in training sets, or the
        mean sample for a model trained without

    Raises DataError for a mask that is not boolean, ShapeError for one that does not fit x, SettingError.
    """
    _arrays.needs(model, "reconstruct")
    iterations = shapes.integer(iterations, "iterations")
    x = ops.admit(x)
    mask = _fitting(mask, x)
    filled = _filled(x, mask, fill)
    for _ in range(iterations):
        x_hat = model.reconstruct(filled)
        if x_hat.shape != x.shape:  # a conditional model takes labels, and does not give them back
            raise ShapeError(f"the model makes {x_hat.shape} of {x.shape}: inpaint needs one that keeps the shape")
        np.copyto(filled, x_hat, where=mask)
    return filled


def masked_error(x_hat, x, mask) -> np.ndarray:
    """Mean squared error of each sample inside the mask only: (N,) float64. DataError where nothing of one is missing."""
    x_hat, x = _arrays.samples(x_hat, "x_hat"), _arrays.samples(x)
    if x_hat.shape != x.shape:
        raise ShapeError("x_hat and x must have one shape", x_hat=x_hat, x=x)
    mask = _fitting(mask, x).reshape(len(x), -1)
    counts = mask.sum(1)
    if not counts.all():
        raise DataError(f"the mask of sample {np.argmin(counts)} is empty: there is no error inside it")
    squares = np.square(np.subtract(x_hat, x, dtype=np.float64)).reshape(len(x), -1)
    return (squares * mask).sum(1) / counts


def inpainting_report(model, x, mask, mean, iterations=4, fill=0.0) -> Report:
    """Mean squared error inside the mask: of the mean image, of one reconstruction, and after `iterations`.

    Parameters
    ----------
    model, x, mask, iterations, fill : as in `inpaint`; x whole
    mean : (*input_shape) the mean training sample, which the first row fills in
    """
    x = _arrays.samples(x)
    one = inpaint(model, x, mask, 1, fill)
    candidates = {"mean image": _filled(x, _fitting(mask, x), mean), "model, once": one}
    if shapes.integer(iterations, "iterations") > 1:
        candidates[f"model, {iterations} times"] = inpaint(model, x, mask, iterations, fill)
    table = {name: {"mse": float(masked_error(filled, x, mask).mean())} for name, filled in candidates.items()}
    return Report(f"inpainting, {len(x):,} samples, error inside the mask", table)


def _filled(x, mask, fill):
    fill = ops.admit(fill, x.dtype, "fill")
    if fill.shape not in ((), x.shape[1:]):
        raise ShapeError(f"fill must be a number or {x.shape[1:]}, got {fill.shape}")
    return np.where(mask, fill, x)


def _fitting(mask, x):
    """The mask, checked, in the shape of x."""
    mask = conversion.array(mask, "mask")
    if mask.dtype != bool:
        raise DataError(f"mask has dtype {mask.dtype}: booleans are wanted, True where a pixel is missing")
    if x.ndim == 4 and mask.shape in (x.shape[1:3], x.shape[:3]):
        mask = mask[..., None]
    try:
        return np.broadcast_to(mask, x.shape)
    except ValueError:
        raise ShapeError(f"a mask of {mask.shape} does not fit samples of {x.shape}") from None


def _image_shape(shape):
    shape = shapes.sizes(shape, "shape")
    if len(shape) not in (3, 4):
        raise ShapeError(f"the shape of images (N, H, W, C) is wanted, got {shape}")
    return shape[:3]

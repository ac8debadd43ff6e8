"""Inpainting: masks pixel by pixel, what is known stays, what is missing is never read."""

import numpy as np
import pytest

from minicae import tasks
from minicae.errors import DataError, SettingError, ShapeError


def rows(mask):
    return ["".join(".#"[int(pixel)] for pixel in line) for line in mask[..., 0]]


def test_squares_by_hand():
    shape = (2, 4, 5, 3)
    assert tasks.square_mask(shape, 2).shape == (2, 4, 5, 1)
    assert rows(tasks.square_mask(shape, 2)[1]) == [".....", ".##..", ".##..", "....."]
    assert rows(tasks.square_mask(shape, 3, (1, 2))[0]) == [".....", "..###", "..###", "..###"]
    assert tasks.square_mask(shape, 4, (0, 1)).sum() == 2 * 16


def test_random_squares_are_whole_and_everywhere():
    mask = tasks.square_mask((400, 6, 7, 1), 3, "random", seed=1)
    assert np.array_equal(mask.sum((1, 2, 3)), np.full(400, 9))
    assert mask.any(0).all()
    assert np.array_equal(mask, tasks.square_mask((400, 6, 7), 3, "random", seed=1))
    assert not np.array_equal(mask, tasks.square_mask((400, 6, 7), 3, "random", seed=2))
    corners = [tuple(np.argwhere(one)[0]) for one in mask]
    assert all(np.ptp(np.argwhere(one), axis=0).tolist() == [2, 2, 0] for one in mask) and len(set(corners)) == 20


def test_halves_by_hand():
    shape = (1, 3, 4, 1)
    assert rows(tasks.half_mask(shape)[0]) == ["..##"] * 3
    assert rows(tasks.half_mask(shape, "left")[0]) == ["##.."] * 3
    assert rows(tasks.half_mask(shape, "top")[0]) == ["####", "....", "...."]
    assert rows(tasks.half_mask(shape, "bottom")[0]) == ["....", "....", "####"]


def test_random_pixels():
    assert tasks.random_mask((3, 50, 40, 3)).shape == (3, 50, 40, 1)
    assert abs(tasks.random_mask((3, 50, 40, 3), 0.2).mean() - 0.2) < 0.02
    assert tasks.random_mask((30, 7)).shape == (30, 7)
    assert not tasks.random_mask((3, 4), 0).any() and tasks.random_mask((3, 4), 1).all()


def test_iterations_by_hand(mean_model):
    # half is known and 1; the model answers with the mean of all: 0.5, then 0.75, 0.875 ... towards 1
    x = np.ones((2, 12, 12, 1))
    mask = tasks.half_mask(x.shape)
    for iterations, want in ((1, 0.5), (2, 0.75), (3, 0.875)):
        filled = tasks.inpaint(mean_model, x, mask, iterations)
        assert np.allclose(filled[mask], want) and np.all(filled[~mask] == 1)
    assert np.allclose(tasks.inpaint(mean_model, x, mask, 1, fill=2.0)[mask], 1.5)
    assert np.allclose(tasks.inpaint(mean_model, x, mask, 1, fill=np.full((12, 12, 1), 3.0))[mask], 2.0)


def test_known_pixels_stay_and_missing_ones_are_never_read(trained, data):
    x = data[2]
    mask = tasks.square_mask(x.shape, 5, "random")
    filled = tasks.inpaint(trained, x, mask, 3)
    assert filled.dtype == np.float32 and np.array_equal(filled[~mask], x[~mask])
    hidden = np.where(mask, np.nan, x)
    assert np.array_equal(tasks.inpaint(trained, hidden, mask, 3), filled) and np.isnan(hidden[mask]).all()


@pytest.mark.parametrize("part", [np.s_[0], np.s_[0, :, :, 0], np.s_[:, :, :, 0]])
def test_masks_may_be_given_for_all_at_once(trained, data, part):
    x = data[2]
    whole = tasks.square_mask(x.shape, 4)
    assert np.array_equal(tasks.inpaint(trained, x, whole[part], 2), tasks.inpaint(trained, x, whole, 2))


def test_a_model_that_does_not_keep_the_shape_is_refused():
    class Shorter:
        def reconstruct(self, x):
            return x[..., :1]

    x = np.zeros((1, 4, 4, 2))
    with pytest.raises(ShapeError, match="needs one that keeps the shape"):
        tasks.inpaint(Shorter(), x, tasks.half_mask(x.shape))


def test_the_error_is_that_inside_the_mask():
    x, x_hat = np.zeros((2, 2, 2, 1)), np.ones((2, 2, 2, 1))
    x_hat[0, 0, 0] = 3
    mask = np.zeros((2, 2, 2, 1), bool)
    mask[:, 0] = True
    assert tasks.masked_error(x_hat, x, mask).tolist() == [5, 1]


def test_report(trained, data):
    x = data[2]
    mask, mean = tasks.square_mask(x.shape, 4, "random"), data[0].mean(0)
    report = tasks.inpainting_report(trained, x, mask, mean, 4, fill=mean)
    assert list(report.rows) == ["mean image", "model, once", "model, 4 times"]
    want = tasks.masked_error(np.broadcast_to(mean, x.shape), x, mask).mean()
    assert report["mean image"]["mse"] == pytest.approx(want, rel=1e-5)
    assert report["model, 4 times"]["mse"] < 0.8 * want
    assert list(tasks.inpainting_report(trained, x, mask, mean, 1).rows) == ["mean image", "model, once"]


X = np.zeros((2, 12, 12, 1), np.float32)
MASK = tasks.half_mask(X.shape)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda m: tasks.square_mask(X.shape, 13), SettingError, "13 pixels does not fit in an image of 12x12"),
        (lambda m: tasks.square_mask(X.shape, 4, (9, 0)), SettingError, "at (9, 0) leaves the image"),
        (lambda m: tasks.square_mask(X.shape, 4, "corner"), SettingError, "place must be"),
        (lambda m: tasks.square_mask((12, 12), 4), ShapeError, "the shape of images (N, H, W, C) is wanted"),
        (lambda m: tasks.half_mask(X.shape, "middle"), SettingError, "side must be one of 'left'"),
        (lambda m: tasks.random_mask(X.shape, 1.5), SettingError, "share must be"),
        (lambda m: tasks.inpaint(m, X, MASK.astype(float)), DataError, "mask has dtype float64: booleans are wanted"),
        (lambda m: tasks.inpaint(m, X, MASK[:, 1:]), ShapeError, "a mask of (2, 11, 12, 1) does not fit"),
        (lambda m: tasks.inpaint(m, X, MASK, 0), SettingError, "iterations must be at least 1"),
        (lambda m: tasks.inpaint(m, X, MASK, fill=np.zeros(12)), ShapeError, "fill must be a number or (12, 12, 1)"),
        (lambda m: tasks.inpaint(m, X * np.nan, MASK), DataError, "not finite"),
        (lambda m: tasks.inpaint(m, X[:, :6], MASK[:, :6]), ShapeError, "model wants"),
        (lambda m: tasks.inpaint(object(), X, MASK), SettingError, "must have reconstruct()"),
        (lambda m: tasks.masked_error(X, X[:1], MASK), ShapeError, "one shape"),
        (lambda m: tasks.masked_error(X, X, MASK & [[[[True]]], [[[False]]]]), DataError, "mask of sample 1 is empty"),
    ],
)
def test_refusals(trained, call, error, words):
    with pytest.raises(error) as caught:
        call(trained)
    assert words in str(caught.value).splitlines()[0]

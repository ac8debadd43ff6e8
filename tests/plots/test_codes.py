"""Codes: points where they belong, decoded samples in the order of the plane."""

import numpy as np
import pytest

from minicae import plots


def test_latent_scatter_keeps_two_numbers_as_they_are(ax):
    codes = np.random.default_rng(0).random((20, 2))
    plots.latent_scatter(codes, None, ax)
    assert np.allclose(ax.collections[0].get_offsets(), codes)
    assert ax.get_xlabel() == "code[0]"


def test_latent_scatter_names_every_class_twice(ax):
    rng = np.random.default_rng(0)
    labels = [3, 5, 7] * 20
    plots.latent_scatter(rng.random((60, 4, 2)), labels, ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["3", "5", "7"]
    assert [text.get_text() for text in ax.texts] == ["3", "5", "7"]
    assert len({tuple(points.get_facecolor()[0]) for points in ax.collections}) == 3
    assert "of its variance" in ax.get_xlabel()


@pytest.mark.parametrize("labels", [np.zeros(60), np.arange(60), np.linspace(0, 1, 60)])
def test_latent_scatter_colours_only_what_can_be_told_apart(ax, labels):
    plots.latent_scatter(np.random.default_rng(0).random((60, 3)), labels, ax)
    assert len(ax.collections) == 1 and ax.get_legend() is None


def test_principal_axes_are_those_of_the_covariance():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((500, 5)) * [1, 9, 2, 4, 1] + 7
    points, shares = plots.principal_axes(codes)
    variances = np.sort(np.linalg.eigvalsh(np.cov(codes.T, bias=True)))[::-1]
    assert np.allclose(points.var(0), variances[:2]) and np.allclose(points.mean(0), 0)
    assert np.allclose(shares, variances[:2] / variances.sum())
    assert np.allclose(plots.principal_axes(codes[:, ::-1])[0], points)


@pytest.mark.parametrize("shape", [(9, 1), (1, 4), (5, 3)])
def test_principal_axes_of_little_or_nothing(shape):
    points, shares = plots.principal_axes(np.ones(shape))
    assert points.shape == (shape[0], 2) and np.allclose(points, 0) and np.allclose(shares, 0)


@pytest.mark.parametrize("shape", [(4, 5, 1), (4, 5)])
def test_latent_grid_lays_out_the_plane(ax, shape):
    grid = np.random.default_rng(0).random((3, 3, *shape))
    plots.latent_grid(grid, ax, extent=1.5)
    page = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert page.shape == (3 * 4 + 2, 3 * 5 + 2)
    assert np.array_equal(page[5:9, 12:], grid[1, 2].reshape(4, 5))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["-1.5", "0", "1.5"]
    heights = dict(zip((label.get_text() for label in ax.get_yticklabels()), ax.get_yticks()))
    assert heights["-1.5"] > heights["0"] > heights["1.5"]  # row 0 is at the top, and so is the largest code[1]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("code[0]", "code[1]")


@pytest.mark.parametrize("shape", [(4, 3, 3, 1), (2, 4, 3, 3, 1), (4, 9), (2, 4, 9)])
def test_interpolation_draws_a_walk_a_row(ax, shape):
    images = np.random.default_rng(0).random(shape)
    plots.interpolation(images, ax)
    walks = images.reshape(-1, 4, 3, 3)
    page = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert page.shape == (4 * len(walks) - 1, 15)
    assert np.array_equal(page[-3:, 8:11], walks[-1, 2])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["from", "to"]


def test_latent_scatter_only_names_classes_that_are_too_many_for_colours(ax):
    plots.latent_scatter(np.random.default_rng(0).random((60, 3)), np.arange(60) % 12, ax)
    assert [text.get_text() for text in ax.texts] == [str(label) for label in range(12)]
    assert len(ax.collections) == 1 and ax.get_legend() is None


def test_latent_scatter_cuts_long_names_and_takes_labels_of_any_kind(ax):
    plots.latent_scatter(np.random.default_rng(0).random((6, 2)), [None, True, "x" * 40] * 2, ax)
    assert [text.get_text() for text in ax.texts] == ["None", "True", "x" * 11 + "..."]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["None", "True", "x" * 21 + "..."]


def test_latent_scatter_keeps_a_single_number_as_it_is(ax):
    codes = np.array([[3.0], [-1.0], [2.0]])
    plots.latent_scatter(codes, None, ax)
    assert np.array_equal(ax.collections[0].get_offsets(), np.pad(codes, [(0, 0), (0, 1)]))
    assert (ax.get_xlabel(), ax.get_ylabel(), len(ax.get_yticks())) == ("code[0]", "", 0)

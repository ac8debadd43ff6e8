"""Generation: paths and grids by hand, and the table."""

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae import tasks
from minicae.errors import DataError, SettingError, ShapeError


class Copy:
    """The code is the sample."""

    input_shape = (2,)
    size = 2

    def encode(self, x):
        return np.array(x, np.float64)

    decode = encode


def test_a_straight_path_by_hand():
    path = tasks.interpolate(Copy(), [4.0, 0.0], [0.0, 2.0], steps=5)
    assert np.allclose(path, [[4, 0], [3, 0.5], [2, 1], [1, 1.5], [0, 2]])


def test_a_path_on_the_circle_by_hand():
    path = tasks.interpolate(Copy(), [1.0, 0.0], [0.0, 1.0], steps=4, kind="spherical")
    angles = np.radians([0, 30, 60, 90])
    assert np.allclose(path, np.stack([np.cos(angles), np.sin(angles)], 1))
    lengths = np.linalg.norm(tasks.interpolate(Copy(), [2.0, 0.0], [0.0, 1.0], 9, "spherical"), axis=1)
    assert np.all(lengths >= 1 - 1e-9) and np.all(lengths <= 2 + 1e-9)


@pytest.mark.parametrize("b", [[2.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_codes_without_an_arc_are_joined_by_the_straight_line(b):
    a = [1.0, 0.0]
    assert np.allclose(tasks.interpolate(Copy(), a, b, 5, "spherical"), tasks.interpolate(Copy(), a, b, 5))


@pytest.mark.parametrize("kind", ["linear", "spherical"])
def test_ends_are_reconstructions_and_batches_are_paths(trained, data, kind):
    x = data[2]
    paths = tasks.interpolate(trained, x[:3], x[3:6], steps=4, kind=kind)
    assert paths.shape == (3, 4, 12, 12, 1) and paths.dtype == np.float32
    assert np.allclose(paths[:, 0], trained.reconstruct(x[:3]), atol=1e-5)
    assert np.allclose(paths[:, -1], trained.reconstruct(x[3:6]), atol=1e-5)
    single = tasks.interpolate(trained, x[1], x[4], steps=4, kind=kind)
    assert np.allclose(single, paths[1], atol=1e-6)


def test_the_grid_by_hand():
    grid = tasks.sample_grid(Copy(), 3, extent=2)
    assert np.allclose(grid[:, :, 0], [[-2, 0, 2]] * 3) and np.allclose(grid[:, :, 1], [[2] * 3, [0] * 3, [-2] * 3])
    # five equally spaced probabilities from P(-1) = 0.158655 to P(1): the second is 0.329328, the quantile -0.441769
    assert np.allclose(tasks.sample_grid(Copy(), 5, 1)[0, :, 0], [-1, -0.441769, 0, 0.441769, 1], atol=1e-5)


def test_the_grid_of_a_model(trained):
    grid = tasks.sample_grid(trained, 4, extent=1.5)
    assert grid.shape == (4, 4, 12, 12, 1)
    assert np.allclose(grid[0, 3], trained.decode(np.array([[1.5, 1.5]], np.float32))[0], atol=1e-6)
    assert np.allclose(grid[3, 3], trained.decode(np.array([[1.5, -1.5]], np.float32))[0], atol=1e-6)


def test_conditional_samples_are_the_models():
    class Conditional:
        def sample(self, n, seed=0, label=None):
            return np.asarray(label)[:, None] + seed

    assert tasks.conditional_samples(Conditional(), [3, 1], seed=10).tolist() == [[13], [11]]
    with pytest.raises(DataError, match="labels are empty"):
        tasks.conditional_samples(Conditional(), [])
    with pytest.raises(SettingError, match="must have sample"):
        tasks.conditional_samples(Copy(), [1])
    with pytest.raises(DataError, match="dtype float64"):
        tasks.conditional_samples(Conditional(), [0.5])


def test_a_model_without_labels_says_so(trained, data):
    with pytest.raises(SettingError, match="PCA takes no labels"):
        tasks.conditional_samples(tasks.PCA(2).fit(data[0]), [1, 2])
    with pytest.raises(SettingError, match="for conditional models"):
        tasks.conditional_samples(trained, [1, 2])


def test_a_conditional_model_makes_what_it_is_asked_for():
    model = mc.zoo.conditional_variational(input_shape=(6,), classes=3, widths=(5,), code=2, backend="reference")
    made = tasks.conditional_samples(model, [2, 0, 1], seed=4)
    assert np.array_equal(made, model.sample(3, seed=4, label=[2, 0, 1])) and made.shape == (3, 6)


def test_report(trained, data):
    x_train, _, x_test, _ = data
    report = tasks.generation_report(trained, x_train, x_test)
    assert list(report.rows) == ["model", "Gaussian, PCA, 2", "real samples"]
    made, real = trained.sample(60, seed=0).reshape(60, -1), x_test.reshape(60, -1)
    squares = np.square(made[:, None].astype(float) - real[None]).mean(2)
    assert report["model"]["fidelity"] == pytest.approx(np.sqrt(squares.min(1).mean()), rel=1e-4)
    assert report["model"]["coverage"] == pytest.approx(np.sqrt(squares.min(0).mean()), rel=1e-4)
    assert report["real samples"]["fidelity"] < report["Gaussian, PCA, 2"]["fidelity"]


def test_refusals(trained, data):
    x = data[2]
    with pytest.raises(SettingError, match="steps must be at least 2"):
        tasks.interpolate(trained, x[0], x[1], 1)
    with pytest.raises(SettingError, match="'linear' or 'spherical'"):
        tasks.interpolate(trained, x[0], x[1], 5, "cubic")
    with pytest.raises(ShapeError, match="one shape"):
        tasks.interpolate(trained, x[:2], x[:3])
    with pytest.raises(ShapeError, match="model wants"):
        tasks.interpolate(trained, x[0, 1:], x[1, 1:])
    with pytest.raises(DataError, match="not finite"):
        tasks.interpolate(trained, x[0], x[1] * np.nan)
    with pytest.raises(DataError, match="nothing to walk between"):
        tasks.interpolate(trained, x[:0], x[:0])
    with pytest.raises(SettingError, match="extent must be"):
        tasks.sample_grid(trained, 3, extent=0)
    wide = mc.Autoencoder([L.Dense(3)], [L.Dense(4)], 4, backend="reference")
    with pytest.raises(ShapeError, match=r"codes of two numbers \(2,\), the model's are \(3,\)"):
        tasks.sample_grid(wide)
    with pytest.raises(SettingError, match="as many as x_test, 60"):
        tasks.generation_report(trained, x[:10], x)

"""Drawn digits: the same bits for the same seed, every argument counts, the picture is that of the label."""

import inspect
import io
import sys

import numpy as np
import pytest

from minicae.datasets import glyphs, make_glyphs
from minicae.errors import DatasetError, SettingError


def draw(n=40, **settings):
    return make_glyphs(n, cache=False, **settings)


def test_shapes_dtypes_and_ranges():
    x, y = draw(300)
    assert x.shape == (300, 28, 28, 1) and x.dtype == np.float32
    assert y.shape == (300,) and y.dtype == np.int64
    assert x.min() == 0 and x.max() == 1
    assert np.bincount(y, minlength=10).min() >= 10
    levels = 255 * x.astype(np.float64)
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)


def test_images_of_version_1():
    """Cached images carry the version: whoever changes what is drawn must raise it, and these numbers."""
    x, y = draw(10)
    assert glyphs.VERSION == 1
    assert y.tolist() == [9, 6, 4, 3, 0, 2, 8, 4, 2, 7]
    ink = [110.4, 115.8, 161.6, 98.4, 135.0, 108.1, 135.5, 106.4, 115.2, 125.4]
    np.testing.assert_allclose(x.sum((1, 2, 3)), ink, atol=0.5)


def test_same_seed_same_bits_and_no_dependence_on_n(monkeypatch):
    x, y = draw(100)
    for n in (1, 10, 99):
        fewer = draw(n)
        np.testing.assert_array_equal(fewer[0], x[:n])
        np.testing.assert_array_equal(fewer[1], y[:n])
    monkeypatch.setattr(glyphs, "CHUNK", 7 * 28 * 28)
    np.testing.assert_array_equal(draw(100)[0], x)


OTHER = {
    "n": 41,
    "seed": 1,
    "size": 32,
    "shift": 3.0,
    "rotation": 0.0,
    "scale": 0.0,
    "shear": 0.0,
    "thickness": 0.0,
    "noise": 0.0,
}
AMOUNTS = ("shift", "rotation", "scale", "shear", "thickness", "noise")


def test_every_argument_is_in_the_next_test():
    assert set(inspect.signature(make_glyphs).parameters) == {*OTHER, "cache"}


@pytest.mark.parametrize("name", OTHER)
def test_every_argument_counts(name):
    x, other = draw()[0], draw(**{name: OTHER[name]})[0]
    assert x.shape != other.shape or np.mean(x != other) > 0.01


def test_size_changes_the_resolution_only():
    """Averaged over blocks of 2 x 2, an image of 56 is that of 28, but for its sharper edges."""
    small, large = draw(noise=0)[0], draw(noise=0, size=56)[0]
    blocks = large.reshape(40, 28, 2, 28, 2).mean((2, 4))
    assert np.abs(blocks - small[..., 0]).mean() < 0.02


def test_noise_has_its_standard_deviation():
    clean, noisy = draw(200, noise=0)[0], draw(200, noise=0.1)[0]
    grey = (clean > 0.4) & (clean < 0.6)  # so far from black and white that nothing is clipped
    assert abs((noisy - clean)[grey].std() - 0.1) < 0.01
    assert np.mean(clean == 0) > 0.5


def test_thickness_only_adds():
    """Thicker strokes only ever add white: everything else about the image stays."""
    thin, thick = draw(noise=0, thickness=0)[0], draw(noise=0, thickness=1)[0]
    assert np.all(thick >= thin) and thick.sum() > 1.1 * thin.sum()


def test_still_digits_are_centred():
    x = draw(300, shift=0, noise=0)[0][..., 0].astype(np.float64)
    i = np.arange(28) - 13.5
    mass = x.sum((1, 2))
    assert np.abs(x.sum(2) @ i / mass).max() < 0.5 and np.abs(x.sum(1) @ i / mass).max() < 0.5
    border = np.stack([x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1]])
    assert np.mean(border.max((0, 2)) > 0) < 0.05  # the foot of a 7, whose mass is high


def test_shift_is_in_pixels_of_28():
    for size in (28, 56):
        still, moved = draw(200, size=size, shift=0, noise=0)[0], draw(200, size=size, shift=2, noise=0)[0]
        i = np.arange(size)
        rows = [(x[..., 0].sum(2) @ i) / x.sum((1, 2, 3)) for x in (still, moved)]
        distance = (rows[1] - rows[0]) * 28 / size
        assert np.abs(distance).max() < 2.1 and distance.min() < -1.8 and distance.max() > 1.8


def test_labels_fit_the_images():
    """The mean image of each digit tells most unseen digits apart."""
    x, y = draw(1500)
    x = x.reshape(len(x), -1)
    means = np.stack([x[:1000][y[:1000] == digit].mean(0) for digit in range(10)])
    nearest = ((x[1000:, np.newaxis] - means) ** 2).sum(2).argmin(1)
    assert np.mean(nearest == y[1000:]) > 0.8


@pytest.mark.parametrize("font", glyphs.FONTS)
def test_every_font_draws_digits(font):
    """A digit's outlines can be counted by hand: one, and one more for each hole."""
    outlines = [len(glyphs._outlines(font, digit)) for digit in range(10)]
    dotted = font.startswith("DejaVuSansMono")  # its zero has a dot in the hole
    assert outlines == [3 if dotted else 2, 1, 1, 1, 2, 1, 2, 1, 3, 2]
    for digit in range(10):
        field, centre = glyphs._field(font, digit)
        i, j = np.nonzero(field > 0)
        tall = (i.max() - i.min() + 1) * 2 * glyphs.REACH / (glyphs.GRID - 1)
        assert abs(tall - 1) < 0.05
        assert np.abs(centre).max() < 0.2


def test_distance_to_a_square_ring_by_hand():
    def square(half):
        return half * np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])

    grid = np.linspace(-1, 1, 17, dtype=np.float32)
    field = glyphs._signed_distance([square(0.75), square(0.25)[::-1]], grid)
    x, y = np.abs(np.meshgrid(grid, grid))
    far = np.maximum(x, y)
    to_corner = np.hypot(np.maximum(x - 0.25, 0), np.maximum(y - 0.25, 0))
    expected = np.minimum(0.75 - far, to_corner)  # between the squares
    expected = np.where(far < 0.25, far - 0.25, expected)  # in the hole
    expected = np.where(far > 0.75, -np.hypot(np.maximum(x - 0.75, 0), np.maximum(y - 0.75, 0)), expected)
    np.testing.assert_allclose(field, expected, atol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        *({"n": n} for n in (0, -1, 1.5, "5", None)),
        *({"size": size} for size in (7, 28.0)),
        {"seed": -1},
        {"seed": 0.5},
        {"scale": 1},
        *({name: bad} for name in AMOUNTS for bad in (-0.1, np.nan, np.inf, "a", None)),
    ],
    ids=str,
)
def test_argument_out_of_range(settings):
    name = next(iter(settings))
    with pytest.raises(SettingError, match=f"make_glyphs: {name}="):
        make_glyphs(**{"n": 5, **settings})


def test_more_than_any_memory():
    with pytest.raises(SettingError, match="GiB"):
        draw(10**15)


def test_numpy_numbers_are_numbers(cache):
    x, _ = make_glyphs(np.int64(5), seed=np.uint8(3), noise=np.float64(0.02))
    np.testing.assert_array_equal(x, make_glyphs(5, seed=3)[0])
    assert len(list((cache / "glyphs").iterdir())) == 1


def test_cache_is_written_once_and_read(cache, monkeypatch):
    x, y = make_glyphs(20)
    (file,) = (cache / "glyphs").iterdir()
    assert file.suffix == ".npy" and np.load(file, allow_pickle=False).shape == (20, 28 * 28 + 1)
    np.testing.assert_array_equal(draw(20)[0], x)
    monkeypatch.setattr(glyphs, "_draw", None)
    again = make_glyphs(20)
    np.testing.assert_array_equal(again[0], x)
    np.testing.assert_array_equal(again[1], y)
    assert list((cache / "glyphs").iterdir()) == [file]


@pytest.mark.parametrize("name", OTHER)
def test_cache_tells_settings_apart(cache, name):
    make_glyphs(**{"n": 5})
    make_glyphs(**{"n": 5, name: OTHER[name]})
    assert len(list((cache / "glyphs").iterdir())) == 2


def test_cache_can_be_left_out(cache):
    make_glyphs(5, cache=False)
    assert not cache.exists()


def pickled():
    stored = io.BytesIO()
    np.save(stored, np.array([{}], object), allow_pickle=True)
    return stored.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
        lambda content: pickled() + glyphs.hashlib.sha256(pickled()).digest(),
        lambda content: content + b"more",
    ],
)
def test_damaged_cache_is_drawn_again(cache, damage):
    x, _ = make_glyphs(20)
    (file,) = (cache / "glyphs").iterdir()
    content = file.read_bytes()
    file.write_bytes(damage(content))
    np.testing.assert_array_equal(make_glyphs(20)[0], x)
    assert file.read_bytes() == content


def test_cache_that_cannot_be_used(cache):
    cache.write_bytes(b"a file where the folder should be")
    np.testing.assert_array_equal(make_glyphs(5)[0], draw(5)[0])


def test_without_matplotlib(monkeypatch):
    glyphs._field.cache_clear()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DatasetError, match="pip install matplotlib"):
        draw(1)


def test_without_a_font(tmp_path, monkeypatch):
    import matplotlib

    glyphs._field.cache_clear()
    monkeypatch.setattr(matplotlib, "get_data_path", lambda: str(tmp_path))
    with pytest.raises(DatasetError, match="is missing"):
        draw(1)

"""Digits drawn from fonts: a data set of any size, without a network, the same on every machine.

`make_glyphs` gives what `load_mnist` gives, white digits on black and their labels, from the twenty fonts
that come with Matplotlib. Each digit of each font is turned once into a distance field: for every point of a
grid, how far the nearest outline is, counted positive inside. An image then is one look into that field
through a random shift, rotation, scale and shear; where the distance is positive the pixel is white. Because
the field is smooth, looking between its points needs no more than bilinear interpolation, and a stroke grows
thicker by adding to the distance.

Source of the distance field: Green, Improved Alpha-Tested Magnification for Vector Textures and Special
Effects, 2007.
"""

import functools
import hashlib
import io
import math
import operator
from pathlib import Path

import numpy as np

from minicae.datasets.download import cache_folder
from minicae.errors import DatasetError, SettingError
from minicae.files import replacing

VERSION = 1  # to be raised with every change of the images, because they are cached
FONTS = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    *("cmr10", "cmb10", "cmss10", "cmtt10"),
)
GRID = 80  # points along each side of a distance field
REACH = 0.75  # half the side of a field; the longer side of every digit is 1
BOX = 18 / 28  # the longer side of a digit as a fraction of the image; softness and thickness bring it to MNIST's 20
SOFTNESS = 1.2  # width of the ramp from black to white, pixels
CHUNK = 2**18  # pixels drawn at a time
ROWS = 8  # rows of a field worked out at a time, few enough to stay in the processor's cache


def make_glyphs(
    n: int,
    seed: int = 0,
    size: int = 28,
    shift: float = 1.0,
    rotation: float = 12.0,
    scale: float = 0.12,
    shear: float = 0.2,
    thickness: float = 0.5,
    noise: float = 0.02,
    cache: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """`n` images of digits in random fonts and positions, with their labels.

    Image `i` depends on `seed`, `i` and the settings, not on `n`: a larger set begins with the smaller one.

    Parameters
    ----------
    n : number of images.
    seed : chooses the images; the same seed gives the same images, to the bit.
    size : height and width of an image, pixels.
    shift : largest shift of the centre of mass along each axis, pixels of an image of 28.
    rotation : largest rotation either way, degrees.
    scale : largest change of height and of width, each drawn apart, as a fraction of them; below 1.
    shear : largest slant either way, pixels sideways for each pixel up.
    thickness : the most that a stroke gains on each of its sides, pixels of an image of 28.
    noise : standard deviation of the grey noise on every pixel, where white is 1.
    cache : keep the images in the cache folder, and take them from there the next time.

    Returns
    -------
    x : (n, size, size, 1) float32 in 0..1, in steps of 1/255 as MNIST's.
    y : (n,) int64 in 0..9, each digit equally likely.

    Raises
    ------
    SettingError
        When an argument is out of its range.
    DatasetError
        When Matplotlib or one of its fonts is missing.
    """
    n = _whole("n", n, 1)
    seed = _whole("seed", seed, 0)
    size = _whole("size", size, 8)
    amounts = {"shift": shift, "rotation": rotation, "scale": scale, "shear": shear}
    amounts |= {"thickness": thickness, "noise": noise}
    amounts = {name: _amount(name, value) for name, value in amounts.items()}
    if amounts["scale"] >= 1:
        raise SettingError(f"make_glyphs: scale={scale} would make a digit vanish; it is below 1")
    try:
        x = np.empty((n, size * size), np.float32)
    except (MemoryError, ValueError):
        gib = 4 * n * size**2 / 2**30
        raise SettingError(f"make_glyphs: {n:,} images of {size} x {size} need {gib:,.0f} GiB") from None

    file = _cache_file(n, seed, size, amounts) if cache else None
    rows = _read_cache(file, n, size)
    if rows is None:
        rows = _draw(n, seed, size, **amounts)
        _write_cache(file, rows)
    np.divide(rows[:, :-1], np.float32(255), out=x)
    return x.reshape(n, size, size, 1), rows[:, -1].astype(np.int64)


def _whole(name: str, value: int, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise SettingError(f"make_glyphs: {name}={value!r} is not a whole number") from None
    if number < least:
        raise SettingError(f"make_glyphs: {name}={number} is below {least}")
    return number


def _amount(name: str, value: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise SettingError(f"make_glyphs: {name}={value!r} is not a number") from None
    if not 0 <= number < math.inf:
        raise SettingError(f"make_glyphs: {name}={number} is not a finite number of 0 or more")
    return number


def _draw(n, seed, size, shift, rotation, scale, shear, thickness, noise) -> np.ndarray:
    """The images and labels as rows (n, size * size + 1) uint8, the label last."""
    rows = np.empty((n, size * size + 1), np.uint8)
    # two streams, read in order of the images: what comes first does not depend on how many follow
    place, grain = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    step = max(1, CHUNK // size**2)
    for start in range(0, n, step):
        part = rows[start : start + step]
        u = place.random((len(part), 9))
        part[:, -1] = digit = (10 * u[:, 0]).astype(int)
        font = (len(FONTS) * u[:, 1]).astype(int)
        swing = 2 * u[:, 2:8] - 1  # -1..1: two shifts, two scales, rotation, shear
        distance = _look_up(
            digit,
            font,
            size,
            offset=swing[:, 0:2] * shift / 28,
            sides=1 + scale * swing[:, 2:4],
            angle=np.radians(rotation) * swing[:, 4],
            slant=shear * swing[:, 5],
        )
        extra = (thickness / 28 * size) * u[:, 8].astype(np.float32)
        grey = np.clip(0.5 + (distance + extra[:, np.newaxis]) / SOFTNESS, 0, 1)
        grey += np.float32(noise) * grain.standard_normal(grey.shape, dtype=np.float32)
        part[:, :-1] = np.rint(255 * np.clip(grey, 0, 1))
    return rows


def _look_up(digit, font, size, offset, sides, angle, slant) -> np.ndarray:
    """Signed distance to the outline at every pixel, (N, size * size) float32, in pixels.

    `offset` (N, 2) right and down in image sides, `sides` (N, 2) width and height, `angle` (N,) radians,
    `slant` (N,). A pixel at q shows the field's point p, where q = offset + rotate(angle) slant(slant)
    stretch(sides) p.
    """
    kinds, which = np.unique(10 * font + digit, return_inverse=True)
    drawn = [_field(FONTS[kind // 10], int(kind % 10)) for kind in kinds]
    fields = np.concatenate([field.ravel() for field, _ in drawn])
    centre = np.array([middle for _, middle in drawn])[which]

    cos, sin = np.cos(angle), np.sin(angle)
    width, height = BOX * sides.T
    # rows of the inverse matrix: unrotate, unslant, unstretch
    ax, ay = (cos - slant * sin) / width, (sin + slant * cos) / width
    bx, by = -sin / height, cos / height
    dx, dy = offset.T
    per_unit = (GRID - 1) / (2 * REACH)

    def points(along_x, along_y, middle):
        """Grid coordinates (N, size, size) of the pixels, kept within the field."""
        q = (np.arange(size) - (size - 1) / 2) / size
        row = (along_x[:, np.newaxis] * (q - dx[:, np.newaxis]) * per_unit).astype(np.float32)
        column = (along_y[:, np.newaxis] * (q - dy[:, np.newaxis]) + middle[:, np.newaxis] + REACH) * per_unit
        both = column.astype(np.float32)[:, :, np.newaxis] + row[:, np.newaxis, :]
        return np.clip(both, 0, GRID - 1.001, out=both)

    x, y = points(ax, ay, centre[:, 0]), points(bx, by, centre[:, 1])
    j, i = x.astype(np.int32), y.astype(np.int32)
    x -= j
    y -= i
    first = (which * GRID**2).astype(np.int32)[:, np.newaxis, np.newaxis] + i * GRID + j
    top = fields[first] * (1 - x) + fields[first + 1] * x
    bottom = fields[first + GRID] * (1 - x) + fields[first + GRID + 1] * x
    distance = (top * (1 - y) + bottom * y).reshape(len(digit), -1)
    return distance * (size * np.sqrt(width * height)).astype(np.float32)[:, np.newaxis]


@functools.cache
def _field(font: str, digit: int) -> tuple[np.ndarray, np.ndarray]:
    """The distance field (GRID, GRID) float32 of one digit, and its centre of mass (x, y) in the field.

    The digit's bounding box lies in the middle of the field, x to the right and y down, its longer side 1.
    """
    polygons = _outlines(font, digit)
    corners = np.concatenate(polygons)
    low, high = corners.min(0), corners.max(0)
    polygons = [(polygon - (low + high) / 2) / (high - low).max() for polygon in polygons]
    grid = np.linspace(-REACH, REACH, GRID, dtype=np.float32)
    field = _signed_distance(polygons, grid)
    i, j = np.nonzero(field > 0)
    return field, np.array([grid[j].mean(), grid[i].mean()])


def _outlines(font: str, digit: int) -> list[np.ndarray]:
    """The closed outlines of a digit, each (corners, 2) float64, y down, the first corner repeated last."""
    try:
        import matplotlib
        from matplotlib import ft2font
        from matplotlib.path import Path as Outline
    except ImportError as fault:
        raise DatasetError(f"make_glyphs draws with Matplotlib's fonts: pip install matplotlib ({fault})") from fault
    file = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{font}.ttf")
    if not file.is_file():
        raise DatasetError(f"{file}: this font of Matplotlib's is missing; install Matplotlib again")
    # unscaled: the whole numbers in the font itself, which no version of FreeType hints or rounds
    flags = ft2font.LoadFlags.NO_SCALE if hasattr(ft2font, "LoadFlags") else ft2font.LOAD_NO_SCALE
    # before 3.11 a font is squeezed to an eighth of its width unless told not to be
    unsqueezed = {"hinting_factor": 1} if matplotlib.__version_info__ < (3, 11) else {}
    face = ft2font.FT2Font(str(file), **unsqueezed)
    face.load_char(ord("0") + digit, flags=flags)
    corners, codes = face.get_path()
    return Outline(corners * (4, -4), codes).to_polygons(closed_only=True)  # 4: how finely the curves are cut


def _signed_distance(polygons: list[np.ndarray], grid: np.ndarray) -> np.ndarray:
    """Distance (G, G) from each point of a grid to the nearest outline, negative outside the outlines."""
    starts = np.concatenate([polygon[:-1] for polygon in polygons]).astype(np.float32)
    ends = np.concatenate([polygon[1:] for polygon in polygons]).astype(np.float32)
    real = (starts != ends).any(1)
    (ax, ay), (ex, ey) = starts[real].T, (ends - starts)[real].T
    field = np.empty((len(grid), len(grid)), np.float32)
    px = grid[:, np.newaxis] - ax  # (G, edges)
    for i in range(0, len(grid), ROWS):
        py = (grid[i : i + ROWS, np.newaxis] - ay)[:, np.newaxis]  # (rows, 1, edges)
        along = np.clip((px * ex + py * ey) / (ex * ex + ey * ey), 0, 1)
        squared = (px - along * ex) ** 2 + (py - along * ey) ** 2
        # winding number: of the edges to the left of a point, those that go up against those that go down
        crosses = (py >= 0).astype(np.int8) - (py >= ey)
        with np.errstate(divide="ignore", invalid="ignore"):
            left = px > py / ey * ex
        inside = (crosses * left).sum(2) != 0
        field[i : i + ROWS] = np.where(inside, 1, -1) * np.sqrt(squared.min(2))
    return field


def _cache_file(n: int, seed: int, size: int, amounts: dict[str, float]) -> Path | None:
    """Where the images of these settings are kept; None when there is no place for them."""
    import importlib.metadata

    try:
        fonts = importlib.metadata.version("matplotlib")
        key = repr((VERSION, fonts, n, seed, size, sorted(amounts.items())))
        return cache_folder() / "glyphs" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
    except (importlib.metadata.PackageNotFoundError, DatasetError):
        return None


def _read_cache(file: Path | None, n: int, size: int) -> np.ndarray | None:
    """The rows in a cache file, or None when it is missing or anything about it is wrong."""
    try:
        content = file.read_bytes() if file else b""
        stored, digest = content[:-32], content[-32:]
        if not file or hashlib.sha256(stored).digest() != digest:
            return None
        rows = np.load(io.BytesIO(stored), allow_pickle=False)
    except (OSError, ValueError, MemoryError):
        return None
    return rows if rows.shape == (n, size * size + 1) and rows.dtype == np.uint8 else None


def _write_cache(file: Path | None, rows: np.ndarray) -> None:
    """Keep the rows, if possible: .npy followed by its SHA-256, which `np.load` leaves unread."""
    if file is None:
        return
    stored = io.BytesIO()
    np.save(stored, rows)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as out:
            out.write(stored.getbuffer())
            out.write(hashlib.sha256(stored.getbuffer()).digest())
    except OSError:  # a cache that cannot be written costs time, nothing else
        pass

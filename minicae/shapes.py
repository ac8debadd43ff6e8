"""The arithmetic of shapes: output sizes, padding, receptive fields, floating-point operations. Integers in, integers out;
and the checks of single settings, which everything above uses.

Sizes are pixels. A setting such as a stride is given as one number or as a pair (height, width). Source of the formulas:
Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016).
"""

import math
import numbers
import operator
from fractions import Fraction

from minicae.errors import SettingError, ShapeError, shown


def integer(value, name: str, least: int = 1) -> int:
    """`value` as an int of at least `least`; SettingError otherwise."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise SettingError(f"{name} must be a whole number, got {shown(value)}") from None
    if number < least:
        raise SettingError(f"{name} must be at least {least}, got {shown(value)}")
    return number


def number(value, name: str, low=-math.inf, high=math.inf, without=()) -> float:
    """`value` as a float from `low` to `high`, not one of `without`; SettingError otherwise, also where it is not finite."""
    try:
        given = float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else math.nan
    except OverflowError:
        given = math.inf
    if not (math.isfinite(given) and low <= given <= high and given not in without):
        least = f" of at least {low:g}" if math.isfinite(low) else ""
        span = f" from {low:g} to {high:g}" if math.isfinite(high) else least
        excluded = f" ({' and '.join(f'{limit:g}' for limit in without)} excluded)" if without else ""
        raise SettingError(f"{name} must be a finite number{span}{excluded}, got {shown(value)}")
    return given


def sizes(value, name: str) -> tuple[int, ...]:
    """`value` as a tuple of whole numbers above 0: one number stands for a tuple of one."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(value, (tuple, list)):
        value = (value,)
    if not value:
        raise SettingError(f"{name} is empty")
    return tuple(integer(size, name) for size in value)


def pair(value, name: str, least: int = 1) -> tuple[int, int]:
    """`value` as (height, width): one number counts for both."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(value, (tuple, list)):
        value = (value, value)
    if len(value) != 2:
        raise SettingError(f"{name} must be one number or a pair (height, width), got {shown(value)}")
    return integer(value[0], name, least), integer(value[1], name, least)


def borders(value, name: str) -> tuple[int, int, int, int]:
    """`value` as (top, bottom, left, right): one number, (vertical, horizontal), all four, or ((t, b), (l, r))."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(value, (tuple, list)):
        value = (value,) * 4
    elif len(value) == 2 and all(isinstance(side, (tuple, list)) and len(side) == 2 for side in value):
        value = (*value[0], *value[1])
    elif len(value) == 2:
        value = (value[0], value[0], value[1], value[1])
    if len(value) != 4:
        raise SettingError(f"{name} must be one number, a pair or (top, bottom, left, right), got {shown(value)}")
    return tuple(integer(side, name, 0) for side in value)


def _same(size, extent, stride):
    """(before, after): padding for an output of ceil(size / stride); an odd pixel goes after."""
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def resolve_padding(padding, height: int, width: int, kernel, strides, dilation=(1, 1)) -> tuple[int, int, int, int]:
    """ "same", "valid" or explicit borders as (top, bottom, left, right) in pixels.

    "same" gives ceil(size / stride) outputs; where the padding is odd, the extra pixel goes to the bottom and the right.
    """
    if isinstance(padding, str):
        if padding == "valid":
            return 0, 0, 0, 0
        if padding == "same":
            extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
            return (*_same(height, extents[0], strides[0]), *_same(width, extents[1], strides[1]))
        raise SettingError(f"padding must be 'same', 'valid' or pixels (top, bottom, left, right), got {padding!r}")
    return borders(padding, "padding")


def window_output(height: int, width: int, kernel, strides, padding, dilation=(1, 1)) -> tuple[int, int]:
    """(OH, OW) of a window of size `kernel` moved over an image; ShapeError where it does not fit once."""
    sizes = []
    for size, k, stride, d, before, after in zip(
        (height, width), kernel, strides, dilation, padding[::2], padding[1::2], strict=True
    ):
        extent = (k - 1) * d + 1
        if extent > size + before + after:
            raise ShapeError(
                f"the kernel covers {extent} pixels and the padded input has only {size + before + after}"
                f" ({size} + {before} + {after}): use a smaller kernel, less dilation or more padding"
            )
        sizes.append((size + before + after - extent) // stride + 1)
    return tuple(sizes)


def check_pool_padding(window, padding) -> None:
    """A window must reach the image: padding smaller than the window on every side."""
    for size, before, after in zip(window, padding[::2], padding[1::2]):
        if max(before, after) >= size:
            raise ShapeError(
                f"a pooling window of {window} would lie in the padding {padding} alone: pad less than the window"
            )


def transposed_output(height: int, width: int, kernel, strides, padding, dilation=(1, 1)):
    """((OH, OW), borders) of a transposed convolution: the size whose convolution has this input as its output.

    "same" multiplies the size by the stride; "valid" and explicit borders give (size - 1) * stride + extent - borders.
    """
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    if isinstance(padding, str) and padding == "same":
        out = height * strides[0], width * strides[1]
        return out, resolve_padding("same", *out, kernel, strides, dilation)
    sides = resolve_padding(padding, height, width, kernel, strides, dilation)
    out = tuple(
        (size - 1) * stride + extent - before - after
        for size, stride, extent, before, after in zip((height, width), strides, extents, sides[::2], sides[1::2])
    )
    if min(out) < 1:
        raise ShapeError(f"the padding {sides} removes the whole output of the transposed convolution, {out}: pad less")
    return out, sides


def count(shape) -> int:
    """The number of elements of a shape."""
    product = 1
    for size in shape:
        product *= size
    return product


def convolution_flops(out_shape, kernel, channels: int) -> int:
    """Floating-point operations of one image's convolution: two for each multiply-add, bias and activation not counted."""
    return 2 * count(out_shape) * kernel[0] * kernel[1] * channels


class ReceptiveField:
    """How many input pixels one value depends on, (height, width), as layers are added one by one.

    A layer whose window covers `extent` of its own input pixels widens the field by (extent - 1) * jump, where jump is
    the distance, in pixels of the image, between neighbours; a stride multiplies the jump, upsampling divides it.
    """

    def __init__(self, image):
        self.image = tuple(image)
        self.size = [Fraction(1), Fraction(1)]
        self.jump = [Fraction(1), Fraction(1)]

    def add(self, extent, stride) -> "ReceptiveField":
        """Add a layer; `extent` None stands for a layer that sees everything. Returns self."""
        for axis in range(2):
            if extent is None:
                self.size[axis] = Fraction(self.image[axis])
            else:
                self.size[axis] += (extent[axis] - 1) * self.jump[axis]
                self.jump[axis] *= Fraction(stride[axis])
        return self

    @property
    def pixels(self) -> tuple[int, int]:
        """(height, width) in whole pixels, at most the image."""
        return tuple(min(-(-size.numerator // size.denominator), side) for size, side in zip(self.size, self.image))

"""The errors that minicae raises on purpose: each says what was got, what was wanted and what to do.

Every one is a `MinicaeError`, so that one `except` catches them all, and also the built-in that a Python programmer
would expect (`ValueError`, `RuntimeError`, `OSError`).
"""

import sys

LETTERS = {1: "N", 2: "NC", 4: "NHWC"}
WEIGHT_LETTERS = {1: ("F",), 2: ("C", "F"), 4: ("KH", "KW", "C", "F")}
TRANSPOSED = "w transposed"  # its letters are (KH, KW, F, C)


def describe(name: str, shape: tuple) -> str:
    """`x (N=32, H=14, W=14, C=64)`: a shape with the letters of the notation."""
    letters = (WEIGHT_LETTERS if name in ("w", "dw", "b", "db") else LETTERS).get(len(shape))
    if name == TRANSPOSED:
        letters = ("KH", "KW", "F", "C")
    if letters is None:
        return f"{name} {tuple(shape)}"
    return f"{name} ({', '.join(f'{letter}={size}' for letter, size in zip(letters, shape))})"


def short(text: str, limit: int = 44) -> str:
    """text, its end replaced by three dots where it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def shown(value) -> str:
    """The `repr` of what was got, on one line, and shortened where it is long."""
    return short(" ".join(repr(value).split()), 80)


class MinicaeError(Exception):
    """What went wrong, and below it, once known, the layer in which it went wrong."""

    def __init__(self, message: str, **arrays):
        self.message = message
        self.shapes = {name: array.shape for name, array in arrays.items() if hasattr(array, "shape")}
        self.layer = None
        super().__init__(message)

    def within(self, layer: str) -> "MinicaeError":
        """The same error, naming the innermost layer it came from."""
        self.layer = self.layer or layer
        return self

    def __str__(self):
        lines = [self.message]
        if self.shapes:
            lines.append("  " + "    ".join(describe(name, shape) for name, shape in self.shapes.items()))
        if self.layer:
            lines.append(f"  in {self.layer}")
        return "\n".join(lines)


class ShapeError(MinicaeError, ValueError):
    """Arrays or layers whose shapes do not fit together."""


class SettingError(MinicaeError, ValueError):
    """An argument whose value has no meaning: a stride of 0, an unknown name, an option left out."""


class DataError(MinicaeError, ValueError):
    """Values that cannot be trained on: not numbers, not finite, outside the range that a loss needs."""


class BackendError(MinicaeError, RuntimeError):
    """A backend that is not there, or a kernel that it does not have."""


class CheckpointError(MinicaeError, OSError):
    """A saved model that cannot be read back: damaged, truncated, or of another kind."""


class DatasetError(MinicaeError, OSError):
    """A data set that is missing, damaged or cannot be downloaded."""


class DivergedError(MinicaeError, ArithmeticError):
    """Training met a NaN or an infinity; the weights are those of the last good step."""


def outside() -> int:
    """The `stacklevel`, for a warning raised where this is called, of the first line of code outside the package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] == __name__.split(".")[0]:
        frame, level = frame.f_back, level + 1
    return level

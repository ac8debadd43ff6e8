"""What the command line takes: values that are checked as they are read, and a parser whose complaints are one line."""

import argparse
import math
import re

SETS = ("mnist", "fashion-mnist")  # published data sets, by the names that --data takes


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, in the form "--epochs must be ..., got ..."."""

    def error(self, message):
        message = re.sub(r"invalid choice: (.+) \(choose from (.+)\)", r"must be one of \2, got \1", message)
        message = re.sub(r"^argument (\S+): (must)?", lambda m: f"{m[1]} {m[2]}" if m[2] else f"{m[1]}: ", message)
        self.exit(2, f"{self.prog}: {message}\n")


def _argument(convert, wanted):
    """A type for argparse: `convert` raises ValueError for what is not `wanted`."""

    def read(text):
        try:
            return convert(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}") from None

    return read


def _at_least(least):
    return _argument(lambda text: _checked(int(text), lambda n: n >= least), f"a whole number of at least {least}")


def _checked(value, test):
    if not test(value):
        raise ValueError
    return value


COUNT, SEED = _at_least(1), _at_least(0)
RATE = _argument(lambda text: _checked(float(text), lambda rate: 0 < rate < math.inf), "a number above 0")
SHARE = _argument(lambda text: _checked(float(text), lambda share: 0 <= share < 1), "in 0..1, 1 excluded")
COUNTS = _argument(
    lambda text: _checked(tuple(map(int, text.split(","))), lambda counts: min(counts) > 0),
    "whole numbers of at least 1, such as 64,128,256",
)
SOURCE = _argument(
    lambda text: _checked(text, lambda name: name in ("glyphs", *SETS) or name.endswith((".npy", ".npz"))),
    f"glyphs, {', '.join(SETS)} or a file ending in .npy or .npz",
)

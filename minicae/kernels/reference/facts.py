"""What this backend runs on."""

import numpy as np


def facts():
    """Names and values, as text."""
    return {"numpy": np.__version__}

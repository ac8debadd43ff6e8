"""The topics, in the order of `all`. Each file has TITLE, one line, and `rows(session)`, which yields rows as they come.

One that not every machine can do has `missing(quick)`, which says why not; one whose columns mean something else has HEADER.
"""

NAMES = (
    "gemm",
    "conv",
    "pool",
    "upsample",
    "dense",
    "elementwise",
    "step",
    "start",
    "memory",
    "scale",
    "quality",
    "cuda",
)

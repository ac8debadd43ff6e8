"""The topics, in the order of `all`. Each file has TITLE, one line, and `rows(session)`, which yields rows as they come."""

NAMES = ("gemm", "conv", "pool", "upsample", "dense", "elementwise", "step", "start", "memory", "scale", "quality")

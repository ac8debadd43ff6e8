"""The commands, one file each. Read `demo`, then `train`.

A command's file has EXAMPLE, a line that works; `options(option)`, which describes its arguments with argparse's
`add_argument`; and `run(arguments)`, whose docstring is its help and which gives the exit code, or nothing for 0.
A new command is one file and its name here.
"""

NAMES = ("demo", "train", "reconstruct", "explore", "gradcheck", "bench", "doctor", "warmup")

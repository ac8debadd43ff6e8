"""`python -m minicae`: the same as the command `minicae`."""

import sys

from minicae.cli import main

if __name__ == "__main__":
    sys.exit(main())

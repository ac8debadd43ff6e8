"""`minicae doctor`: is this machine fit?"""

import minicae

EXAMPLE = "minicae doctor"


def options(option):
    """The command takes no arguments."""


def run(arguments):
    """Show what minicae runs on, and check every kernel of every backend."""
    from minicae.inspection.doctor import examine

    print(f"{'minicae':11}{minicae.__version__}", flush=True)
    healthy = True
    for subject, text, ok in examine():
        print(f"{subject:11}{'' if ok else 'FAIL '}{text}", flush=True)
        healthy = healthy and ok
    print("all is well" if healthy else "not well: see the lines with FAIL")
    return 0 if healthy else 1

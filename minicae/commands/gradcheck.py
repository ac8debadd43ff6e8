"""`minicae gradcheck`: the gradients of everything, as a table."""

from minicae import kernels

EXAMPLE = "minicae gradcheck --backend all"


def options(option):
    """The arguments of the command."""
    names = (*kernels.NAMES, "all")
    option("--backend", choices=names, default="cpu", metavar="NAME", help=f"{', '.join(names)} (%(default)s)")


def run(arguments):
    """Check the gradients of every layer, activation and loss against finite differences."""
    from minicae.inspection.catalogue import cases
    from minicae.inspection.gradcheck import gradcheck

    verdicts = []
    for backend in kernels.available() if arguments.backend == "all" else [arguments.backend]:
        kernels.backend(backend)  # raises where there is none
        print(f"\nbackend {backend}\n\n      worst error  at{'':20}shapes{'':28}what")
        for name, subject, *data in cases():
            report = gradcheck(subject, *data, backend=backend)
            worst = report.worst
            place = f"{worst.name.rpartition('.')[2]}[{', '.join(map(str, worst.index))}]"
            shapes = ", ".join(f"{row.name.rpartition('.')[2]} {'x'.join(map(str, row.shape))}" for row in report.rows)
            verdict = "ok" if report.ok else "FAIL"
            print(f"{verdict:6}{worst.error:11.1e}  {place:22}{shapes:34}{name}", flush=True)
            verdicts.append(report.ok)
    print(f"\n{sum(verdicts)} of {len(verdicts)} ok")
    return 0 if all(verdicts) else 1

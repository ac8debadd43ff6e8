"""`minicae bench`: where the time of a training step goes, kernel by kernel."""

from minicae.arguments import COUNT
from minicae.commands import _shared
from minicae.datasets import make_glyphs
from minicae.models import zoo

EXAMPLE = "minicae bench --model stacked --batch 128"


def options(option):
    """The arguments of the command."""
    names = _shared.MODELS
    option("--model", choices=names, default="convolutional", metavar="NAME", help=f"{', '.join(names)} (%(default)s)")
    option("--batch", type=COUNT, default=64, metavar="N", help="samples of one update (%(default)s)")


def run(arguments):
    """Time each kernel of a training step, beside what this machine can do at most."""
    from minicae.inspection.profile import profile

    model = getattr(zoo, arguments.model)()
    images, _ = make_glyphs(arguments.batch)
    if len(model.input_shape) == 1:
        images = images.reshape(arguments.batch, -1)
        middle = images.shape[1] // 2
        images = images[:, middle : middle + model.input_shape[0]].copy()
    print(profile(model, images))

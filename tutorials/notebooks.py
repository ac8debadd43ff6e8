"""Notebooks as files: found, read, run in a kernel of their own, stored so that a second run changes little.

A kernel runs offline: any attempt to reach another machine is an error in the cell that makes it. It finds no data
set, so that the outputs are those of the generated digits on every machine, and it does not read the settings of the
user's own IPython.
"""

import base64
import io
import os
import re
import tempfile
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from PIL import Image
from traitlets import default

FOLDER = Path(__file__).parent
PICTURES = FOLDER / "pictures"
SECONDS = 90  # for a cell, before it is given up
PALETTE = 30_000  # bytes; a larger figure is stored with 256 colours
THUMBNAIL = (320, 200)  # pixels, at most
PREPARATION = (
    "import sys\n"
    "import matplotlib.font_manager\n"  # on a new machine it says on stderr that it looks for fonts
    "def _offline(event, arguments):\n"
    "    if event in ('socket.connect', 'socket.getaddrinfo'):\n"
    "        raise OSError(f'a tutorial works offline, and this one asks for {arguments[-1]}')\n"
    "sys.addaudithook(_offline)\n"
)
OPENING = re.compile(
    r"# (?P<title>(?P<number>\d+)\. .+)\n\n\*\*Question\.\*\* (?P<question>.+)\n\n"
    r"\*\*You need\.\*\* (?P<need>.+) (?P<minutes>\d+) minutes\."
)


class Kernel(AsyncKernelManager):
    """The interpreter that runs this, whatever kernels the user has registered under the same name."""

    @default("kernel_spec_manager")
    def _specifications(self):
        return KernelSpecManager(kernel_dirs=[], parent=self)


def paths(numbers=()):
    """The notebooks in their order, or those with these numbers."""
    found = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
    return [path for path in found if not numbers or int(path.name[:2]) in numbers]


def read(path):
    """A notebook as nbformat has it."""
    return nbformat.read(path, as_version=4)


def opening(notebook):
    """What the first cell says, as a match with title, number, question, need and minutes; None where it does not."""
    return OPENING.match(notebook.cells[0].source)


def tags(cell):
    """The tags of a cell, a list."""
    return cell.metadata.get("tags", [])


def execute(notebook):
    """Run all cells in a fresh kernel, in place. An error stays among the outputs of its cell, the last one run."""
    with tempfile.TemporaryDirectory() as folder:
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for cell in code:
            cell.outputs, cell.execution_count = [], None
        client = NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_manager_class=Kernel,
            resources={"metadata": {"path": folder}},
            extra_arguments=[f"--IPKernelApp.exec_lines={PREPARATION}", "--IPKernelApp.log_level=40"],
        )
        search = filter(None, (str(FOLDER.parent), os.environ.get("PYTHONPATH")))
        try:
            client.execute(
                env=os.environ
                | {
                    "PYTHONPATH": os.pathsep.join(search),
                    "IPYTHONDIR": folder,
                    "MINICAE_DATA": folder,
                    "MINICAE_QUIET": "1",
                    "OPENBLAS_NUM_THREADS": "1",  # its idle threads spin, and take the cores from Numba's
                    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
                }
            )
        except Exception as fault:
            if not errors(notebook):  # a kernel that died, or a cell that took too long, leaves no output
                name = type(fault).__name__
                last = next(cell for cell in reversed(code) if cell.execution_count or cell is code[0])
                last.outputs.append(nbformat.v4.new_output("error", ename=name, evalue=str(fault), traceback=[]))
    return tidy(notebook)


def errors(notebook):
    """The errors among the outputs: 'name: message'."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    return [f"{output.ename}: {output.evalue}" for output in outputs if output.output_type == "error"]


def tidy(notebook):
    """Drop what differs from run to run and says nothing: times, versions, where a stream was cut. In place."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        for key in ("execution", "ExecuteTime", "collapsed", "scrolled"):
            cell.metadata.pop(key, None)
        if cell.cell_type != "code":
            continue
        outputs = []
        for output in cell.outputs:
            if output.output_type == "stream" and outputs and outputs[-1].get("name") == output.name:
                outputs[-1].text += output.text
                continue
            output.get("data", {}).pop("text/html", None)
            if "image/png" in output.get("data", {}):
                output.metadata = nbformat.from_dict({})
                output.data["image/png"] = base64.b64encode(_packed(picture_of(output))).decode()
            outputs.append(output)
        cell.outputs = outputs
    return notebook


def store(notebook, path):
    """Write a notebook. A figure that shows what the stored one shows keeps the stored bytes."""
    if path.exists():
        kept = {id_: cell for cell in read(path).cells if (id_ := cell.get("id"))}
        for cell in notebook.cells:
            before = kept.get(cell.get("id"), {})
            for new, old in zip(cell.get("outputs", ()), before.get("outputs", ())):
                if "image/png" in new.get("data", {}) and "image/png" in old.get("data", {}):
                    images = [picture_of(output).convert("RGB") for output in (new, old)]
                    if images[0].size == images[1].size and images[0].tobytes() == images[1].tobytes():
                        new.data["image/png"] = old.data["image/png"]
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def figures(notebook):
    """(cell, image) of every figure among the outputs."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                yield cell, picture_of(output)


def thumbnail(notebook):
    """The bytes of a small PNG: the figure of the cell tagged "picture", else the last one before the exercises."""
    found = [(cell, image) for cell, image in figures(notebook) if "solution" not in tags(cell)]
    image = next((image for cell, image in found if "picture" in tags(cell)), found[-1][1]).convert("RGB")
    image.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
    return _packed(image, limit=0)


def picture_of(output):
    """The figure of one output."""
    return Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))


def _packed(image, limit=PALETTE):
    """PNG bytes without metadata, with a palette where they would exceed `limit`."""
    image = image if image.mode == "P" else image.convert("RGB")
    data = _png(image)
    return data if len(data) <= limit or image.mode == "P" else _png(image.quantize(256, dither=Image.Dither.NONE))


def _png(image):
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()

"""The plan of the house, asserted: a file imports only from floors below its own, and the backends mirror each other."""

import ast
import inspect
import os
import pathlib
import re
import subprocess
import sys

import pytest

import minicae

HOUSE = pathlib.Path(minicae.__file__).parent
FLOORS = [  # the ground first; a file stands on the floor of the longest name that fits
    ["errors"],
    ["config", "conversion", "files", "later", "memory", "shapes"],
    ["datasets", "kernels.reference", "kernels.cpu", "kernels.cuda"],
    ["kernels"],
    ["ops", "initializers", "metrics"],
    ["parameters"],
    ["layers", "schedules"],
    ["losses", "optimizers"],
    ["training", "inspection"],
    ["models"],
    ["plots", "estimators", "tasks"],
    ["explore"],
    ["__init__"],
    ["arguments"],
    ["commands"],
    ["cli"],
    ["__main__"],
]
OUTSIDE = {"numpy", "numba", "llvmlite", "matplotlib", "tqdm", "sklearn"}
LINES = 300


def dotted(path):
    """minicae/layers/dense.py -> layers.dense; a folder's __init__.py has the folder's name."""
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


FILES = {dotted(path): path for path in sorted(HOUSE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(), str(path)) for name, path in FILES.items()}
PACKAGES = {name for name, path in FILES.items() if path.name == "__init__.py"}


def standing(name):
    """(floor, room) of a file."""
    hits = [
        (len(room), floor, room)
        for floor, rooms in enumerate(FLOORS)
        for room in rooms
        if name == room or name.startswith(room + ".")
    ]
    assert hits, f"{name} has no floor: add it to FLOORS"
    return max(hits)[1:]


def imports(tree):
    """(module, imported name or None, whether inside a function, number of leading dots) of every import."""
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, (ast.FunctionDef, ast.Lambda)) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None, id(node) in inside, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name, id(node) in inside, node.level) for alias in node.names)


def inner_imports(name):
    """(file of minicae that is imported, whether inside a function)."""
    for module, item, inside, level in imports(TREES[name]):
        if level or module.split(".")[0] != "minicae":
            continue
        target = module.removeprefix("minicae").removeprefix(".")
        longer = f"{target}.{item}".lstrip(".")
        target = longer if longer in FILES else target or "__init__"
        assert target in FILES, f"{name} imports {module}, which is no file here"
        yield target, inside


@pytest.mark.parametrize("name", FILES)
def test_imports_go_down(name):
    floor, room = standing(name)
    for target, inside in inner_imports(name):
        below, other = standing(target)
        if target == "plots" and inside and below >= floor:  # a method named plot may import plots inside itself
            methods = [f for f in ast.walk(TREES[name]) if isinstance(f, ast.FunctionDef) and "plots" in ast.unparse(f)]
            assert [f.name for f in methods] == ["plot"], f"{name} imports plots"
        else:
            assert below < floor or other == room, f"{name} (floor {floor}) imports {target} (floor {below})"


def test_no_circles():
    graph = {name: {t for t, inside in inner_imports(name) if not inside and t not in PACKAGES} for name in FILES}
    done, path = set(), []

    def visit(name):
        assert name not in path, f"a circle: {' -> '.join([*path, name])}"
        if name not in done:
            path.append(name)
            for target in graph[name]:
                visit(target)
            path.pop()
            done.add(name)

    for name in graph:
        visit(name)
    assert len(done) == len(FILES)


@pytest.mark.parametrize("name", FILES)
def test_imports_are_absolute_and_by_name(name):
    for _, item, _, level in imports(TREES[name]):
        assert level == 0 and item != "*", f"{name}: write absolute imports, name by name"


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("kernels.")])
def test_backends_never_import_each_other(name):
    backend = ".".join(name.split(".")[:2])
    for target, _ in inner_imports(name):
        assert target.startswith(backend) or target in ("later", "memory"), f"{name} imports {target}"


@pytest.mark.parametrize("name", FILES)
def test_files_with_an_underscore_are_private_to_their_folder(name):
    folder = name if name in PACKAGES else name.rpartition(".")[0]
    for target, _ in inner_imports(name):
        parent, _, last = target.rpartition(".")
        assert not last.startswith("_") or last == "__init__" or parent == folder, f"{name} imports {target}"


@pytest.mark.parametrize("name", FILES)
def test_others_are_imported_where_they_may_be(name):
    for module, _, inside, level in imports(TREES[name]):
        top = module.split(".")[0]
        if level or top == "minicae" or top in sys.stdlib_module_names:
            continue
        assert top in OUTSIDE, f"{name} imports {module}"
        if top in ("numba", "llvmlite"):
            assert name.startswith("kernels.cpu.") or name == "kernels.cuda._device", f"{name} imports {top}"
        if top == "matplotlib":
            assert name.split(".")[0] == "plots" or inside, f"{name} imports matplotlib for everybody"
        if top == "sklearn":
            assert name == "estimators", f"{name} imports sklearn"
        if top == "tqdm":
            assert inside, f"{name} imports tqdm for everybody"
        if name.startswith("kernels.reference"):
            assert top == "numpy", f"the definition {name} imports {module}"


def test_importing_is_light():
    heavy = ["numba", "matplotlib", "tqdm", "scipy", "sklearn", "torch", "http.client", "urllib.request"]
    program = f"import minicae, sys; print([name for name in {heavy} if name in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(HOUSE.parent)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("[]\n", "")


def functions(name):
    """{public function: its arguments} of a file."""
    found = (node for node in TREES[name].body if isinstance(node, ast.FunctionDef))
    return {node.name: ast.unparse(node.args) for node in found if not node.name.startswith("_")}


MIRRORED = [name for name in FILES if name.startswith("kernels.reference.") and "._" not in name]


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
@pytest.mark.parametrize("name", MIRRORED)
def test_backends_mirror_each_other(name, backend):
    assert functions(name) == functions(name.replace("reference", backend))


def test_backends_offer_the_same_names():
    from minicae.kernels import cpu, reference

    defined = {function for name in MIRRORED for function in functions(name)}
    defined -= {"facts", "compile_for", "empty", "upload", "download"}  # not kernels
    assert set(reference.__all__) == set(cpu.__all__) == defined
    assert len(defined) == len(reference.__all__) == len(cpu.__all__)
    for backend in ("cpu", "cuda"):
        public = {name for name in FILES if name.startswith(f"kernels.{backend}.") and "._" not in name}
        assert public - {f"kernels.{backend}.peak"} == {name.replace("reference", backend) for name in MIRRORED}
    offered = next(node.value for node in TREES["kernels.cuda"].body if isinstance(node, ast.Assign))
    assert set(ast.literal_eval(offered)) == defined  # read, not imported: that needs a GPU or its simulator


@pytest.mark.parametrize("name", FILES)
def test_words_that_must_not_be_there(name):
    text = FILES[name].read_text()
    assert not re.search(r"fastmath\s*=\s*True|allow_pickle\s*=\s*True|\beval\(|\bexec\(", text)
    assert "pickle" not in {module.split(".")[0] for module, *_ in imports(TREES[name])}
    if re.search(r"\bn?jit\(|@.*\bn?jit\b", text):
        assert name in ("kernels.cpu._jit", "kernels.cuda._launch"), f"{name} has a decorator of Numba's"


@pytest.mark.parametrize("name", FILES)
def test_files_are_short_and_introduce_themselves(name):
    assert len(FILES[name].read_text().splitlines()) <= LINES
    assert ast.get_docstring(TREES[name]), f"{name} does not say what it is"


def documented():
    """(file.name, documented names, names of the arguments) for every public docstring with a section Parameters."""
    for name, tree in TREES.items():
        for owner in ast.walk(tree):
            if not isinstance(owner, (ast.FunctionDef, ast.ClassDef)) or owner.name.startswith("_"):
                continue
            section = re.search(r"Parameters\n-+\n(.*?)(\n\n|\n\S+\n-+\n|$)", ast.get_docstring(owner) or "", re.DOTALL)
            if section:
                entries = re.findall(r"^(\w[\w, ]*?) ?:", section[1], re.MULTILINE)
                yield pytest.param(
                    name, owner, {n.strip() for e in entries for n in e.split(",")}, id=f"{name}.{owner.name}"
                )


@pytest.mark.parametrize("name, owner, described", list(documented()))
def test_documented_parameters_are_those_of_the_signature(name, owner, described):
    if isinstance(owner, ast.ClassDef):
        if name == "estimators":
            pytest.importorskip("sklearn", reason="the estimators need scikit-learn")
        module = __import__(f"minicae.{name}", fromlist=[owner.name])
        taken = set(inspect.signature(getattr(module, owner.name)).parameters)
    else:
        arguments = owner.args
        taken = {argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    assert described <= taken, f"described, and not taken: {described - taken}"
    if name.startswith("kernels.reference"):
        assert described == taken, f"taken, and not described: {taken - described}"


def test_public_names():
    assert sorted(minicae.__all__) == minicae.__all__
    assert all(hasattr(minicae, name) for name in minicae.__all__)

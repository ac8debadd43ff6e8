"""Would the kernel tests notice a mistake? This script makes mistakes, one at a time, and counts how many are noticed.

    python tests/mutation.py                        every kernel file
    python tests/mutation.py --file cpu/pool.py     one of them, or several
    python tests/mutation.py --sample 40 --seed 1   some mistakes of each file, drawn at random

A mistake (a "mutant") is one small change to one kernel file: + for -, < for <=, a number one higher or lower, H for W, C for
F, += made =, min for max. It is made in memory, in a child of this process, where the kernels run uncompiled; there the cases
of `tests/kernels` that reach the changed line are run, the quickest first, until one fails. Cases that take long uncompiled
are left out, so what is caught here is caught by a part of the tests.

Some changes change nothing that can be told from outside, such as how many numbers are done at a time. They are listed in
`mutation_survivors.txt`, each below its reason, and are not counted. Everything else that survives is shown with its place.
`mutation_results.json` keeps the figures of the last whole run (`--record`).
"""

import argparse
import ast
import collections
import copy
import functools
import importlib
import itertools
import json
import os
import pathlib
import random
import sys
import time
import types
import warnings

os.environ["NUMBA_DISABLE_JIT"] = "1"  # before Numba is imported: a compiled kernel cannot be changed
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.kernels.cases import cases, limited, uncompiled_strictly  # noqa: E402

KERNELS = ROOT / "minicae" / "kernels"
SURVIVORS, RESULTS = (ROOT / "tests" / f"mutation_{name}" for name in ("survivors.txt", "results.json"))
STEMS = [
    *("activation", "conv", "dense", "guard", "loss", "memory", "noise", "norm", "optim", "penalty"),
    *("pool", "sampling", "upsample"),
]
SLOW = 0.5  # seconds that a case may take
LONG = 4.0  # seconds that the cases of one mutant may take
SWAPS = [
    "H W",
    "OH OW",
    "KH KW",
    "PH PW",
    "C F",
    "sh sw",
    "dh dw",
    "top left",
    "i j",
    "p q",
    "h w",
    "x y",
    "m v",
    "u v",
]
OTHER = {name: other for pair in SWAPS for name, other in (pair.split(), reversed(pair.split()))}
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}
OPERATORS |= {ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitOr: ast.BitAnd}
COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
}
COMPARISONS |= {ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,)}
EXTREMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}

Mutant = collections.namedtuple("Mutant", "place line function before after tree")


def changed(node, **fields):
    """A copy of a node with some fields exchanged."""
    other = copy.copy(node)
    vars(other).update(fields)
    return other


def variants(node, names):
    """The mistakes that can be made in this one node; `names` are those known where it stands."""
    match node:
        case ast.BinOp(op=op) if type(op) in OPERATORS:
            yield changed(node, op=OPERATORS[type(op)]())
        case ast.AugAssign(op=op):
            yield ast.copy_location(ast.Assign([node.target], node.value), node)
            if type(op) in OPERATORS:
                yield changed(node, op=OPERATORS[type(op)]())
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                for other in COMPARISONS.get(type(op), ()):
                    yield changed(node, ops=[*ops[:place], other(), *ops[place + 1 :]])
        case ast.BoolOp(op=op):
            yield changed(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.USub() | ast.Not()):
            yield node.operand
        case ast.If(test=test) | ast.IfExp(test=test) if not isinstance(test, (ast.Compare, ast.BoolOp, ast.UnaryOp)):
            yield changed(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Constant(value=bool(value)):
            yield changed(node, value=not value)
        case ast.Constant(value=int(value) | float(value)):
            yield changed(node, value=value + 1)
            yield changed(node, value=value - 1)
        case ast.Name(id=name, ctx=ast.Load()) if name in EXTREMES:
            yield changed(node, id=EXTREMES[name])
        case ast.Name(id=name, ctx=ast.Load()) if OTHER.get(name) in names:
            yield changed(node, id=OTHER[name])
        case ast.Attribute(attr=name) if name in EXTREMES:
            yield changed(node, attr=EXTREMES[name])


def bound(function):
    """The names that a function gives a value to, its arguments included."""
    stored = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {argument.arg for argument in ast.walk(function) if isinstance(argument, ast.arg)}


def mutants(module):
    """Every mutant of a module, in the order of its text."""
    path = pathlib.Path(module.__file__)
    tree = ast.parse(path.read_text())
    entry = getattr(sys.modules.get("minicae.kernels.cpu._jit"), "entry", ())

    def children(node):
        """(field, index or None, child), without docstrings, and without the amount of work that an entry is told first."""
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list"):
                continue
            if isinstance(node, ast.Call) and field == "args" and value and isinstance(known(node.func), entry):
                yield from ((field, place, one) for place, one in enumerate(value) if place)
            elif isinstance(value, list):
                yield from ((field, place, one) for place, one in enumerate(value) if isinstance(one, ast.AST))
            elif isinstance(value, ast.AST):
                yield field, None, value

    def known(node):
        """The object that an expression such as `_few.gather` names in the module, or None."""
        if isinstance(node, ast.Name):
            return vars(module).get(node.id)
        return getattr(known(node.value), node.attr, None) if isinstance(node, ast.Attribute) else None

    def walk(node, function, names, line):
        for field, place, child in children(node):
            inner, known_here, at = function, names, line
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if isinstance(node, ast.Attribute) and node.attr in ("size", "shape", "dtype"):
                continue  # x.size for y.size, where both are of one shape
            if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "work":
                continue
            negative = isinstance(child, ast.UnaryOp) and isinstance(child.operand, ast.Constant)
            if isinstance(child, ast.FunctionDef):
                inner, known_here = child.name, names | bound(child)
            if isinstance(child, ast.stmt):
                at = child.lineno
            for other in variants(child, known_here):
                if place is None:
                    setattr(node, field, other)
                else:
                    getattr(node, field)[place] = other
                whole = ast.fix_missing_locations(copy.deepcopy(tree))
                yield Mutant((at, child.lineno), child.lineno, inner, ast.unparse(child), ast.unparse(other), whole)
                if place is None:
                    setattr(node, field, child)
                else:
                    getattr(node, field)[place] = child
            if not negative:
                yield from walk(child, inner, known_here, at)

    yield from walk(tree, "", set(), 0)


def install(module, tree):
    """Put the changed text of a module in the place of what it holds, in all who hold it."""
    other = types.ModuleType(module.__name__)
    other.__file__, other.__package__ = module.__file__, module.__package__
    exec(compile(tree, module.__file__, "exec"), vars(other))
    users = [user for name, user in sys.modules.items() if name.startswith("minicae.kernels.") and user is not module]
    for name, new in list(vars(other).items()):
        old = vars(module).get(name)
        if name.startswith("__") or new is old:
            continue
        pairs = [(old, new)] if isinstance(new, types.FunctionType) else []
        if hasattr(new, "serial"):
            pairs = [(old.serial, new.serial), (old.parallel, new.parallel)]
        for function, changed_function in pairs:
            function.__code__, function.__defaults__ = changed_function.__code__, changed_function.__defaults__
        if not pairs and not isinstance(new, type):
            setattr(module, name, new)
            for user in users:
                if vars(user).get(name) is old:
                    setattr(user, name, new)


class Cases:
    """The cases of the kernel tests on one backend, with their times and the lines they reach, the quickest first."""

    def __init__(self, backend):
        self.measured = sorted(filter(None, map(self._measure, cases(backend))), key=lambda one: one[0])

    def _measure(self, case):
        """(seconds, case, lines reached of each file), or None if it is slow, skipped or does not hold here."""
        reached = collections.defaultdict(set)

        def lines(frame, event, _):
            reached[frame.f_code.co_filename].add(frame.f_lineno)
            return lines

        def calls(frame, event, _):
            return lines(frame, event, _) if frame.f_code.co_filename.startswith(str(KERNELS)) else None

        try:
            with limited(SLOW):
                start = time.perf_counter()
                case.run()
                seconds = time.perf_counter() - start
            sys.settrace(calls)
            case.run()
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            return None
        finally:
            sys.settrace(None)
        return seconds, case, reached

    def fail(self, path, place, module, tree):
        """Whether some case that reaches one of the lines `place` fails once the module has been changed."""
        wanted = [(s, case) for s, case, reached in self.measured if reached[path] & set(place) or not place[0] or
                  (place[0] not in self.ever(path) and reached[path])]  # fmt: skip
        times = itertools.accumulate(seconds for seconds, _ in wanted)
        wanted = [one for one, spent in zip(wanted, times) if spent < LONG]
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
        try:
            with open(os.devnull, "w") as sink:
                os.dup2(sink.fileno(), 1)
                os.dup2(sink.fileno(), 2)
            with limited(10 + 10 * sum(seconds for seconds, _ in wanted)):
                install(module, tree)
                for _, case in wanted:
                    case.run()
        except BaseException:
            os._exit(1)
        os._exit(0)

    def ever(self, path):
        """The lines of a file that any case reaches."""
        return {line for _, _, reached in self.measured for line in reached[path]}


def excused():
    """The changes of `mutation_survivors.txt`."""
    if not SURVIVORS.exists():
        return set()
    return {line.strip() for line in SURVIVORS.read_text().splitlines() if line.startswith("    ")}


@functools.cache
def cases_on(backend):
    """The cases of all kernel tests, on one backend."""
    warnings.simplefilter("ignore")
    uncompiled_strictly()
    return Cases(backend)


def examine(name, sample=None, seed=0, show=print):
    """(caught, survived, equivalent) of a file such as "cpu/pool.py"; survivors that nobody excuses are shown."""
    backend, _, stem = name.removesuffix(".py").partition("/")
    module = importlib.import_module(f"minicae.kernels.{backend}.{stem}")
    cases = cases_on(backend)
    unchanged = ast.parse(pathlib.Path(module.__file__).read_text())
    assert not cases.fail(module.__file__, (0,), module, unchanged), f"{name} fails as it is"
    every = list(mutants(module))
    if sample is not None and sample < len(every):
        every = random.Random(seed).sample(every, sample)
    known, counts = excused(), collections.Counter()
    for mutant in every:
        change = f"{name} {mutant.function or 'module'}: {mutant.before}  ->  {mutant.after}"
        if " ".join(change.split()) in known:
            counts["equivalent"] += 1
        elif cases.fail(module.__file__, mutant.place, module, mutant.tree):
            counts["caught"] += 1
        else:
            counts["survived"] += 1
            show(f"  survived, line {mutant.line}: {' '.join(change.split())}")
    return counts["caught"], counts["survived"], counts["equivalent"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", action="append", help="such as cpu/pool.py; all of them if left out")
    parser.add_argument("--sample", type=int, help="so many mutants of each file, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="keep the figures in mutation_results.json")
    options = parser.parse_args()
    names = options.file or [f"{backend}/{stem}.py" for backend in ("reference", "cpu") for stem in STEMS]
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in names:
        caught, survived, equivalent = examine(name, options.sample, options.seed)
        share = caught / max(1, caught + survived)
        print(f"{name}: {share:.1%} of {caught + survived} caught; {equivalent} that change nothing", flush=True)
        results[name] = {"caught": caught, "survived": survived, "equivalent": equivalent, "share": round(share, 4)}
    if options.record:
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()

"""Results on disk, the machine they were measured on, and the README's table made from them."""

import datetime
import importlib.metadata
import itertools
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

from benchmarks.rows import Row

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("minicae", "numpy", "numba", "llvmlite", "scipy", "torch", "jax")
COLUMNS = ("PyTorch", "PyTorch channels_last", "PyTorch compile", "JAX")
RATIOS = {  # what the README shows beside other libraries: (topic, how the case begins, its name there)
    "step convolutional": ("step", "training step, convolutional network, batch 64"),
    "forward convolutional": ("step", "forward pass, the same"),
    "step 5-4-3": ("step", "training step, 5-4-3-2-3-4-5, batch 32"),
    "step 784-100": ("step", "training step, 784-100-30-100-784, batch 128"),
    "peak memory": ("memory", "peak memory of training"),
}
ON_DEVICE = {"minicae CUDA": "minicae", "PyTorch CUDA": "PyTorch", "PyTorch CUDA graph": "PyTorch graph"}
DIRECTIONS = ("forward ", "backward_input ", "backward_weight ")  # how the cases of convolutions begin
SHARES = {  # topics whose share of the machine's own peak the README shows
    "gemm": "matrix products, of multiply-adds in registers",
    "conv": "convolutions, their algorithm chosen by minicae, of multiply-adds in registers",
    "pool": "pooling, of a copy",
    "upsample": "upsampling, of a copy",
    "elementwise": "activation, normalisation, loss, Adam, of a copy",
}


def machine(threads):
    """What the results depend on, by name."""
    about = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "caches": _caches(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
    }
    return about | {name: version for name in PACKAGES if (version := _version(name))}


def _version(name):
    if name == "minicae":
        import minicae

        return minicae.__version__
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor():
    """The model, as Linux names it, or what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    entries = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = entries.get("model name", platform.processor() or platform.machine())
    kind = ", ".join(f"{key} {entries[key]}" for key in ("cpu family", "model") if key in entries)
    return f"{name} ({kind})" if kind else name


def _caches():
    """Sizes of the first core's caches, as Linux tells them."""
    found = []
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction":
            found.append(f"L{level} {size}")
    return ", ".join(found) or "unknown"


def save(folder, topic, rows, about, extras):
    """Write the rows of a topic as `folder`/topic.json. Returns the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{topic}.json"
    content = {"topic": topic, "machine": about, "rows": [asdict(row) for row in rows]} | extras
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    return path


def load(folder, topic):
    """(rows, machine, everything) of a saved topic; ([], {}, {}) where it has not been saved."""
    path = folder / f"{topic}.json"
    if not path.exists():
        return [], {}, {}
    content = json.loads(path.read_text())
    return [Row(**row) for row in content["rows"]], content["machine"], content


def readme_table(folder) -> str:
    """The README's performance table in Markdown, from what is saved; what was not measured, or quickly, is left out."""
    saved = {topic: load(folder, topic) for topic in ("step", "memory", "start", "scale", *SHARES, "quality")}
    saved = {topic: ([], {}, {}) if one[1].get("quick") else one for topic, one in saved.items()}
    parts = [_ratios(saved), _shares(saved), _growth(saved), _quality(saved["quality"][0])]
    about = [machine for _, machine, _ in saved.values() if machine]
    parts += [_sentence(about)] if about else []
    parts += _device(*load(folder, "cuda"))
    return (
        "\n\n".join(part for part in parts if part) or f"nothing is saved in {folder}: python -m benchmarks all --save"
    )


def _device(rows, machine, content):
    """What was reached on a GPU: a table, and a sentence on the device; nothing where nothing was timed on one."""
    ours = [row for row in rows if row.contestant == next(iter(ON_DEVICE)) and row.median]
    if machine.get("quick") or not ours:
        return []
    device = content["device"]["device"]
    others = {(row.case, row.contestant): row for row in rows}
    shares = {"convolutions, of PyTorch's speed": [], "passes, of the device's copy": []}
    lines = [f"| {device} | {' | '.join(ON_DEVICE.values())} |", "| --- |" + " --- |" * len(ON_DEVICE)]
    for row in ours:
        if row.bound == "copy" or row.case.startswith(DIRECTIONS):
            shares[list(shares)[row.bound == "copy"]].append(row.share)
            continue
        cells = [_quantity(row) + (f", {row.share:.0%} of cuBLAS" if row.share else "")]
        cells += [_times(others.get((row.case, name))) for name in list(ON_DEVICE)[1:]]
        lines.append(f"| {row.case} | {' | '.join(cells)} |")
    for name, found in shares.items():
        found = list(filter(None, found))
        if found:
            lines.append(f"| {name} | {min(found):.0%} to {max(found):.0%} | | |")
    told = ", ".join(f"{key} {value}" for key, value in content["device"].items() if key != "device")
    right = sum(row.note == "right" for row in rows)
    ending = "" if machine.get("complete", True) else " The run was not finished."
    return [
        "\n".join(lines),
        f"On {device}: {told}; {machine['date']}. Medians of events on the device, float32 with TF32 off; x: times as long"
        f" as minicae. Before anything was timed, {right} kernels agreed with float64.{ending}",
    ]


def _named(label):
    """The column of a contestant's label: what it says of itself in brackets is left out."""
    return label.partition(" (")[0]


def _ratios(saved):
    lines = []
    for begin, (topic, name) in RATIOS.items():
        rows = {_named(row.contestant): row for row in saved[topic][0] if begin in row.case}
        if "minicae" in rows and rows["minicae"].median:
            lines.append((name, rows))
    if "start" in saved and saved["start"][0]:
        lines += _starts({row.contestant: row for row in saved["start"][0]})
    columns = [column for column in COLUMNS if any(_times(rows.get(column)) for _, rows in lines)]
    if not lines:
        return ""
    text = [f"| | minicae | {' | '.join(columns)} |", "| --- |" + " --- |" * (len(columns) + 1)]
    for name, rows in lines:
        cells = [_quantity(rows["minicae"]), *(_times(rows.get(column)) for column in columns)]
        text.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(text)


def _starts(rows):
    """The start's lines: another library's import alone is set against minicae's import and first step."""
    own = rows.get("minicae: import and first step, compiled before")
    if own is None or not own.median:
        return []
    others = {"PyTorch": rows.get("import torch"), "JAX": rows.get("import jax")}
    return [("import and first step (the others: import alone)", {"minicae": own} | others)]


def _quantity(row):
    digits = 3 if row.unit == "ms" and row.median < 1 else 2 if row.unit == "s" or row.median < 10 else 0
    return f"{row.median:,.{digits}f} {row.unit}"


def _times(row):
    return f"{row.ratio:.2g} x" if row is not None and row.ratio else ""


def _shares(saved):
    lines = []
    for topic, name in SHARES.items():
        shares = {}
        for row in saved[topic][0]:
            if _named(row.contestant) == "minicae" and row.share:
                shares[row.case] = row.share
        if shares:
            low, high = min(shares.values()), max(shares.values())
            lines.append(f"| {name} | {low:.0%} to {high:.0%} |")
    return "\n".join(["| minicae's share of this machine's own peak | |", "| --- | --- |", *lines]) if lines else ""


def _growth(saved):
    text = []
    scale, start = saved["scale"][0], {row.contestant: row for row in saved["start"][0]}
    for begin, words in (("an epoch", "cost of an image"), ("memory", "memory")):
        ratios = [row for row in scale if row.case.startswith(begin) and row.ratio]
        if len(ratios) > 1:
            first, last = ratios[0].contestant, ratios[-1].contestant
            text.append(f"From {first} to {last}, memory-mapped, the {words} changes by {ratios[-1].ratio - 1:+.0%}.")
    for row in scale:
        if row.contestant.endswith("1 thread") and row.ratio:
            text.append(f"One thread takes {row.ratio:.2f} times as long as all: {row.contestant.partition(',')[0]}.")
    ever = next((row for name, row in start.items() if name.endswith("first step ever") and row.median), None)
    if ever:
        text.append(f"The very first step, which compiles the kernels, comes after {ever.median:.0f} s.")
    return " ".join(text)


def _quality(rows):
    """One table a question: what every network reached."""
    tables = []
    for case, own in itertools.groupby(rows, key=lambda row: row.case):
        own = list(own)
        lines = [f"| {row.contestant} | {row.median:.3g} |" for row in own]
        tables.append("\n".join([f"| {case} | {own[0].unit} |", "| --- | --- |", *lines]))
    return "\n\n".join(tables)


def _sentence(about):
    """One paragraph on the machine, the versions and the date."""
    first = about[0]
    versions = ", ".join(f"{name} {first[name]}" for name in PACKAGES if name in first)
    return (
        f"Medians, interleaved in one run, {first['threads']} threads for everybody; x: times as long as minicae, or as"
        f" much memory. {first['processor']}, {first['cores']} cores, {first['caches']}; {first['system']}, Python"
        f" {first['python']}, {versions}; {first['date']}. `python -m benchmarks all --save` measures yours."
    )

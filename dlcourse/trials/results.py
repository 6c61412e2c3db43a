"""Stored results: one small file a trial, made by `python -m dlcourse.trials`, read wherever a trial is shown.

A fingerprint of the trial's code stands in it, so that a result cannot outlive the experiment it came from.
"""

import ast
import hashlib
import inspect
import json
import platform
import textwrap
import types
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.settings import refuse
from dlcourse.trials.outcome import Effect, Outcome, Size, Split

FOLDER = Path(__file__).parent / "results"
OURS = ("dlcourse.trials", "dlcourse.labs")  # code that is part of an experiment, beside the library it uses


@dataclass(frozen=True)
class Stored:
    """What was found, on which designs, when, with what; seconds: of one design, in the mean."""

    outcome: Outcome
    designs: list[dict[str, Any]]
    effects: list[Effect]
    fingerprint: str
    date: str
    versions: dict[str, str]
    seconds: float


def load(name: str) -> Stored:
    path = FOLDER / f"{name}.json"
    if not path.exists():
        refuse("trial.stored", "have been run", name, f"python -m dlcourse.trials {name} makes its result.")
    found = json.loads(path.read_text(encoding="utf-8"))
    about = found["outcome"]
    about["size"], about["interval"] = Size(**about["size"]), tuple(about["interval"])
    if about["split"]:
        split = about["split"]
        about["split"] = Split(**split | {"here": tuple(split["here"]), "there": tuple(split["there"])})
    columns = found["designs"]
    effects = [Effect(*each) for each in zip(columns.pop("effect"), columns.pop("noise"), strict=True)]
    designs = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return Stored(
        Outcome(**about), designs, effects,
        *(found[part] for part in ("fingerprint", "date", "versions", "seconds")),
    )  # fmt: skip


def save(trial: Any, designs: list[dict[str, Any]], effects: list[Effect], outcome: Outcome, seconds: float) -> None:
    columns = {name: [design[name] for design in designs] for name in designs[0]}
    columns |= {"effect": [short(each.mean) for each in effects], "noise": [short(each.noise) for each in effects]}
    found = {
        "claim": trial.claim,
        "outcome": asdict(outcome)
        | {"size": outcome.size._asdict(), "split": outcome.split and outcome.split._asdict()},
        "date": date.today().isoformat(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "fingerprint": fingerprint(trial),
        "seconds": short(seconds),
        "designs": columns,
    }
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False, default=np.generic.item)
    (FOLDER / f"{trial.name}.json").write_text(one_line_lists(text) + "\n", encoding="utf-8")


def one_line_lists(text: str) -> str:
    """JSON with each list on one line: a result is read, and compared, column by column."""
    lines: list[str] = []
    for line in text.splitlines():
        inside = bool(lines) and lines[-1].count("[") > lines[-1].count("]")
        if inside:
            lines[-1] += line.strip() if lines[-1].endswith("[") or line.strip() in ("]", "],") else " " + line.strip()
        else:
            lines.append(line)
    return "\n".join(lines)


def short(value: float) -> float:
    return float(f"{value:.4g}")


def fingerprint(trial: Any) -> str:
    """Of what decides a result: space, rule, the experiment and what it uses of ours; no words, no comments."""
    rule = repr((trial.space, trial.tolerance, trial.margin, trial.designs))
    code = sorted(set(sources(trial.experiment, set())))
    return hashlib.sha256("\n".join([rule, *code]).encode()).hexdigest()[:16]


def sources(function: Any, seen: set[Any]) -> Iterator[str]:
    """The code of a function or class, and of every one of ours that it names; constants by their values."""
    function = inspect.unwrap(function)
    if function in seen:
        return
    seen.add(function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            node.decorator_list = []
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
    yield ast.unparse(tree)
    module = inspect.getmodule(function)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    parts = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    used = [(name, vars(module)[name]) for name in sorted(names & vars(module).keys())]
    used += [
        (part, vars(vars(module)[name])[part])
        for name, part in sorted(parts)
        if isinstance(vars(module).get(name), types.ModuleType) and part in vars(vars(module)[name])
    ]
    for name, value in used:
        if isinstance(value, types.FunctionType | type) or hasattr(value, "__wrapped__"):
            if getattr(value, "__module__", "").startswith(OURS):
                yield from sources(value, seen)
        elif isinstance(value, int | float | str | tuple | dict | list | np.ndarray):
            plain = repr(value)
            if " at 0x" not in plain:
                yield f"{name} = {plain}"

"""Every mutant of an exercise, on fresh inputs again and again."""

import ast
import copy
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.forms import apart, fit, measures, parts
from dlcourse.checks.gate.around import changed_calls
from dlcourse.checks.gate.program import Program, program_of, program_of_function
from dlcourse.checks.gate.sources import Mutant, changed_sources
from dlcourse.checks.judge import examine
from dlcourse.checks.plain import plain
from dlcourse.checks.runner import Answer, Function, Seed, differs, opened, run

MASTERS = Path(__file__).parents[3] / "solutions"  # in a checkout
REPEATS = 20  # a mutant that throws dice is not called refused for one lucky throw


@dataclass
class Result:
    """What the gate found. taken: each survivor, and how often it was taken for right."""

    name: str
    mutants: int = 0
    equal: list[str] = field(default_factory=list)
    taken: dict[str, str] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)  # listed as equal, but refused, or not made at all

    @property
    def passed(self) -> bool:
        return not self.taken and not self.stale

    def __str__(self) -> str:
        refused = self.mutants - len(self.equal) - len(self.taken)
        line = f"{self.name:24}{self.mutants:5} mutants {refused:5} refused {len(self.equal):4} equal "
        lines = [f"{line}{len(self.taken):4} survive"]
        lines += [f"    survives {often}: {words}" for words, often in self.taken.items()]
        return "\n".join(lines + [f"    not equal, though listed: {words}" for words in self.stale])


def try_exercise(exercise: Exercise, draws: int = 1000, seed: int = 0, solutions: Path = MASTERS) -> Result:
    """Make the mutants, try each on so many draws, and stop with one as soon as it has survived.

    A mutant that the worked examples refuse is refused in every draw, for they are part of each.
    """
    mutants = list(mutants_of(exercise, solutions))
    result = Result(exercise.name, len(mutants))
    equal = {m.words: next((key for key in exercise.equal if means(key, m.words)), None) for m in mutants}
    taken, tried = (dict.fromkeys((m.words for m in mutants), 0) for _ in range(2))
    alive = [m for m in mutants if not refused_by_examples(exercise, m)]
    for number in range(draws):
        trial = Trial(exercise, exercise.calls(np.random.default_rng([seed, number])))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for mutant in alive:
                taken[mutant.words] += not trial.refuses(mutant)
                tried[mutant.words] += 1
        alive = [m for m in alive if equal[m.words] or taken[m.words] <= 1 + draws // 1000]
    for words, key in equal.items():
        if key and taken[words] == draws:
            result.equal.append(words)
        elif key:
            result.stale.append(words)
        elif taken[words] > draws // 1000:
            result.taken[words] = f"{taken[words]} of {tried[words]}"
    result.stale += [key for key in exercise.equal if not any(key == used for used in equal.values())]
    return result


def refused_by_examples(exercise: Exercise, mutant: Mutant) -> bool:
    """Time and again: a mutant may throw dice."""
    if not exercise.examples:
        return False
    trial = Trial(exercise, list(exercise.examples))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return all(len(trial.right_so_far(mutant)) < len(trial.calls) for _ in range(REPEATS))


def means(key: str, words: str) -> bool:
    """A key of `equal` is the words of a mutant; … stands for any."""
    return re.fullmatch(re.escape(key).replace("…", ".*"), words) is not None


def mutants_of(exercise: Exercise, solutions: Path = MASTERS) -> Iterator[Mutant]:
    """No two of the same words. Sources are read with a guard against loops that do not end."""
    known = set()
    programs = programs_of(exercise, solutions)
    right = programs[0].built() if programs else exercise.reference
    calls = exercise.calls(np.random.default_rng(0))
    changed = (mutant for program in programs for mutant in changed_sources(program))
    for mutant in (*changed, *changed_calls(exercise, right, calls)):
        if mutant.words not in known:
            known.add(mutant.words)
            yield mutant


def programs_of(exercise: Exercise, solutions: Path) -> list[Program]:
    """The master's solution; where there is none, the reference and the other right answers."""
    *before, source = solution(exercise, solutions)
    if source:
        return [program_of(source, exercise.name, before)]
    programs = [program_of_function(function) for function in (exercise.reference, *exercise.variants)]
    return [program for program in programs if program]


def solution(exercise: Exercise, folder: Path) -> list[str]:
    """The exercise's cell, "" where there is none, after the functions of the cells before it: it may call them."""
    path = folder / exercise.notebook / f"{exercise.notebook}.ipynb"
    cells = nbformat.read(path, 4).cells if path.exists() else []
    named = [(c.metadata.get("nbgrader", {}).get("grade_id"), c.source) for c in cells if c.cell_type == "code"]
    place = next((n for n, (name, _) in enumerate(named) if name == exercise.name), None)
    if place is None:
        return [""]
    return [*(source for _, source in named[:place] if only_defines(source)), named[place][1]]


def only_defines(source: str) -> bool:
    return all(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.parse(source).body)


class Trial:
    """One draw of inputs, with the right answers. Looks first at what tells most mutants apart, for speed."""

    def __init__(self, exercise: Exercise, calls: list[tuple]):
        self.exercise, self.calls = exercise, calls
        with np.errstate(all="ignore"):
            self.right = run(exercise.reference, self.calls)
            self.wanted = [
                measures(exercise, call, parts(answer.value))
                for call, answer in zip(self.calls, self.right, strict=True)
            ]

    def refuses(self, mutant: Mutant) -> bool:
        answers = self.right_so_far(mutant)
        if len(answers) < len(self.calls):
            return True
        return not all(finding.passed for finding in examine(self.exercise, self.calls, answers, self.right))

    def right_so_far(self, mutant: Mutant) -> list[Answer]:
        """Its answers, up to the first that is an error or differs."""
        answers: list[Answer] = []
        for n, call in enumerate(self.calls):
            answer = answered(mutant, call)
            if answer is None or self.differs(n, answer):
                break
            answers.append(answer)
        return answers

    def differs(self, n: int, answer: Answer) -> bool:
        call, exercise = self.calls[n], self.exercise
        got, problem = fit(exercise, answer.value, self.right[n].value)
        if problem or not all(np.isfinite(part).all() for part in got):
            return True
        found = measures(exercise, call, got)
        return any(not apart(exercise, found[k], v) <= exercise.tolerance for k, v in self.wanted[n].items())


def answered(mutant: Mutant, call: tuple) -> Answer | None:
    arguments = [copied(a) for a in call]
    try:
        value = plain(mutant.function(*arguments))
    except Exception:  # what runs into an error is refused
        return None
    pairs = enumerate(zip(call, arguments, strict=True))
    return Answer(value, changed=tuple(n for n, (a, b) in pairs if not unchanged(a, b) and differs(a, b)))


def unchanged(before: Any, after: Any) -> bool:
    """For most, and at once."""
    if isinstance(before, np.ndarray):
        return isinstance(after, np.ndarray) and before.shape == after.shape and bool((before == after).all())
    return before is after or isinstance(before, Seed | Function)


def copied(argument: Any) -> Any:
    if isinstance(argument, Seed | Function):
        return opened(argument)
    return argument.copy() if isinstance(argument, np.ndarray) else copy.deepcopy(argument)


def all_passed(results: Sequence[Result]) -> bool:
    return all(result.passed for result in results)

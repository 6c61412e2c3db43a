"""All exercises, by name, in the order of the chapters. One file a chapter; read when first asked for."""

from functools import cache
from importlib import import_module

from dlcourse.checks.exercise import Exercise, Question

CHAPTERS = ("momentum", "adaptive", "adam")


@cache
def exercises() -> dict[str, Exercise | Question]:
    entries = [entry for file in CHAPTERS for entry in import_module(f"dlcourse.checks.{file}").EXERCISES]
    return {entry.name: entry for entry in entries}

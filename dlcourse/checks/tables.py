"""All exercises, by name, in the order of the chapters. The files are read when first asked for."""

from functools import cache
from importlib import import_module

from dlcourse.checks.exercise import Exercise, Question

FILES = (
    "first_steps", "whole", "initialization", "matrices", "momentum", "walks", "adaptive", "natural", "adam",
    "normalization", "groups", "directions", "modes", "regularization", "noise", "generalization", "decay", "stairs",
    "capstone", "broken_data", "broken_networks", "broken_steps", "broken_loops", "looks",
)  # fmt: skip


@cache
def exercises() -> dict[str, Exercise | Question]:
    entries = [entry for file in FILES for entry in import_module(f"dlcourse.checks.{file}").EXERCISES]
    return {entry.name: entry for entry in sorted(entries, key=lambda entry: entry.chapter)}

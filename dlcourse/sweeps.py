"""One function, many settings: here, on many processors, or on a cluster; one by one, or side by side as lanes."""

import itertools
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dlcourse.settings import check, count, is_number, refuse, suggest_names


@dataclass(frozen=True)
class Failure:
    """What stands in the place of a result when a task failed: its settings and the error."""

    settings: dict[str, Any]
    error: BaseException

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"run({given}) failed: {type(self.error).__name__}: {self.error}"


@suggest_names
def sweep(
    run: Callable[..., Any],
    settings: Mapping[str, Iterable[Any]] | Iterable[Mapping[str, Any]],
    executor: Executor | None = None,
    progress: bool = False,
    lanes: int | None = None,
) -> list[Any]:
    """run(**setting) for every setting; the list of what they return, in that order.

    settings    a list of dicts, or a dict of lists: then every combination, the last name changing fastest
    executor    any concurrent.futures.Executor; None runs one task after the other, here. For processes, `run` must
                be a function of a module, not of a notebook cell. Dask: Client(address).get_executor()
    progress    show a bar
    lanes       None, or up to how many settings share a task, side by side as lanes of one network

    A task that fails costs only itself: a Failure with its settings stands in its place, and a warning names it.

    With lanes, settings that differ in numbers only share a task. A number that varies in the sweep then comes as a
    column, an array (K, 1); everything else as it is. `run` returns a sequence of K results, one for each lane:

        def run(learning_rate, seed, hidden):
            layers = [dl.Dense(hidden[0]), dl.ReLU(), dl.Dense(2)]
            network = dl.Network(layers, (2,), seed=seed.ravel(), lanes=len(seed))
            optimizer = dl.Momentum(learning_rate, 0.9)
            history = dl.fit(network, dl.SoftmaxCrossEntropy(), optimizer, moons, epochs=20, batch_size=64)
            return history.train_loss[-1]       # (K,); where lanes are the last axis of more: history.loss.T

        dl.sweep(run, {"learning_rate": [0.01, 0.1], "seed": range(8), "hidden": [(16,), (32,)]}, lanes=8)

    A network has one shape, so a shape that varies is no number but a tuple: hidden=(32,). A setting inside a layer
    takes one more axis: Dropout(rate[..., None]). On NumPy each lane is the run alone, bit for bit. If a task of many
    lanes fails, each of its settings is tried alone, as a single lane, so that only the guilty one becomes a Failure;
    where none is guilty, a warning says that lanes were lost.
    """
    if not callable(run):
        refuse("sweep.run", "be a function", run, "It is called as run(**setting).")
    if lanes is not None:
        lanes = check("sweep.lanes", count, lanes, "None runs every setting by itself.")
    from tqdm.auto import tqdm  # here: most who import dlcourse never sweep

    given = grid(settings) if isinstance(settings, Mapping) else [checked(each) for each in settings]
    results: list[Any] = [None] * len(given)
    tasks = together(given, lanes) if lanes else [Task([place], [setting]) for place, setting in enumerate(given)]
    apart: list[tuple[Task, Exception]] = []  # what failed as lanes
    waiting = deque((task, submitted(executor, run, task.arguments())) for task in tasks)
    with tqdm(total=len(given), unit="task", disable=not progress) as bar:
        try:
            while waiting:
                task, future = waiting[0]
                try:
                    found, again = future.result() if lanes else [future.result()], []
                except Exception as error:
                    found, again = [Failure(setting, error) for setting in task.settings], task.split()
                    apart += [(task, error)] if again else []
                for place, result in zip(task.places, one_for_each(task, found), strict=True):
                    results[place] = result
                waiting.popleft()
                waiting.extend((one, submitted(executor, run, one.arguments())) for one in again)
                bar.update(0 if again else len(task.places))
        finally:  # whoever interrupts does not want the rest
            for _, future in waiting:
                future.cancel()
    failed = [str(each) for each in results if isinstance(each, Failure)]
    if failed:
        warnings.warn(f"{len(failed)} of {len(given)} tasks failed:\n" + "\n".join(failed), stacklevel=3)
    lost = [error for task, error in apart if not any(isinstance(results[place], Failure) for place in task.places)]
    if lost:
        words = f"{len(lost)} of {len(tasks)} tasks failed as lanes, yet none of their settings alone: it took longer"
        warnings.warn(f"{words}. The first error is {type(lost[0]).__name__}: {lost[0]}", stacklevel=3)
    return results


def grid(settings: Mapping[str, Iterable[Any]]) -> list[dict[str, Any]]:
    """{"a": [1, 2], "b": [3, 4]} → a=1 b=3, a=1 b=4, a=2 b=3, a=2 b=4."""
    for name, values in settings.items():
        if isinstance(values, str) or not isinstance(values, Iterable):
            refuse(f"sweep.settings.{name}", "be a list of values", values, "A single value is a list of one: [0.1].")
    return [dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())]


def checked(setting: Any) -> dict[str, Any]:
    if not isinstance(setting, Mapping):
        refuse("sweep.settings", "hold dicts, the arguments of run", setting, 'For example [{"seed": 0}, {"seed": 1}].')
    return dict(setting)


@dataclass(frozen=True)
class Task:
    """Settings that run together, and their places among all; those called `columns` have a value for each lane."""

    places: list[int]
    settings: list[dict[str, Any]]
    columns: frozenset[str] = frozenset()

    def arguments(self) -> dict[str, Any]:
        each = {name: np.array([setting[name] for setting in self.settings])[:, None] for name in self.columns}
        return self.settings[0] | each

    def split(self) -> "list[Task]":
        """Each setting by itself, if they are many."""
        if len(self.places) == 1:
            return []
        return [Task([place], [one], self.columns) for place, one in zip(self.places, self.settings, strict=True)]


def together(given: list[dict[str, Any]], lanes: int) -> list[Task]:
    """Settings that differ in numbers only, up to `lanes` of them a task."""
    numbers: dict[str, set[Any]] = defaultdict(set)
    alike: dict[Any, list[int]] = defaultdict(list)
    for place, setting in enumerate(given):
        alike[frozenset((name, sameness(value)) for name, value in setting.items())].append(place)
        for name, value in setting.items():
            if is_number(value):
                numbers[name].add(value)
    tasks = []
    for places in alike.values():
        first = given[places[0]]
        columns = frozenset(name for name in first if is_number(first[name]) and len(numbers[name]) > 1)
        size = lanes if columns else 1  # run would not know how many it is
        for part in (places[start : start + size] for start in range(0, len(places), size)):
            tasks.append(Task(part, [given[place] for place in part], columns))
    return tasks


def sameness(value: Any) -> Any:
    """Equal for two values that can share a task."""
    if is_number(value):
        return "a number"
    try:
        hash(value)
    except TypeError:
        return id(value)
    return type(value), value


def one_for_each(task: Task, found: Any) -> Any:
    try:
        fits = not isinstance(found, str | bytes | Mapping) and len(found) == len(task.places)
    except TypeError:  # a single number
        fits = False
    if not fits:
        rule = f"return a sequence of one result for each lane, {len(task.places)} here"
        remedy = "Of a History, train_loss[-1] is one, loss.T another."
        refuse("sweep.run", rule, getattr(found, "shape", found), remedy)
    return found


class Later(Future):
    """A task without an executor: it runs when its result is asked for."""

    def __init__(self, job: Callable[[], Any]):
        super().__init__()
        self.job = job

    def result(self, timeout: float | None = None) -> Any:
        return self.job()


def submitted(executor: Executor | None, run: Callable[..., Any], arguments: dict[str, Any]) -> Future:
    job = partial(run, **arguments)  # whole: an executor may have keywords of its own
    return handed_over(executor, job) if executor else Later(job)


def handed_over(executor: Executor, job: Callable[..., Any], *arguments: Any) -> Future:
    """The job's future; where the executor takes no more, that is how this job failed."""
    try:
        return executor.submit(job, *arguments)
    except Exception as error:
        future: Future = Future()
        future.set_exception(error)
        return future

"""One function, many settings: here, on many processors, or on a cluster."""

import itertools
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

from dlcourse.settings import refuse, suggest_names


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
) -> list[Any]:
    """run(**setting) for every setting; the list of what they return, in that order.

    settings    a list of dicts, or a dict of lists: then every combination, the last name changing fastest
    executor    any concurrent.futures.Executor; None runs one task after the other, here. For processes, `run` must
                be a function of a module, not of a notebook cell. Dask: Client(address).get_executor()
    progress    show a bar

    A task that fails costs only itself: a Failure with its settings stands in its place, and a warning names it.
    """
    if not callable(run):
        refuse("sweep.run", "be a function", run, "It is called as run(**setting).")
    tasks = grid(settings) if isinstance(settings, Mapping) else [checked(each) for each in settings]
    results: list[Any] = []
    waiting = [submitted(executor, run, task) for task in tasks] if executor else [None] * len(tasks)
    try:
        for task, future in with_bar(list(zip(tasks, waiting, strict=True)), progress):
            try:
                results.append(future.result() if future else run(**task))
            except Exception as error:
                results.append(Failure(task, error))
    finally:  # whoever interrupts does not want the rest
        for future in waiting:
            if future is not None:
                future.cancel()
    failed = [str(each) for each in results if isinstance(each, Failure)]
    if failed:
        warnings.warn(f"{len(failed)} of {len(tasks)} tasks failed:\n" + "\n".join(failed), stacklevel=3)
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


def submitted(executor: Executor, run: Callable[..., Any], task: dict[str, Any]) -> Future:
    """The task handed over; where the executor takes no more, that is how this task failed."""
    try:
        return executor.submit(run, **task)
    except Exception as error:
        future: Future = Future()
        future.set_exception(error)
        return future


def with_bar(tasks: list[Any], progress: bool) -> Iterable[Any]:
    if not progress:
        return tasks
    from tqdm.auto import tqdm

    return tqdm(tasks, unit="task")

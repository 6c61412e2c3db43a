"""A network in a file, and back: what it is made of as text, what it learned as numbers.

    network.save("digits.npz", optimizer)
    network = Network.load("digits.npz")
    optimizer = load_optimizer("digits.npz", network)
    fit(network, loss, optimizer, train, epochs=5, batch_size=64, resume=True)     # as if there had been no pause

The file is NumPy's .npz: theta, running statistics and the optimizer's memory as arrays, and one JSON text with the
classes and their settings. Nothing in it is ever run: a name stands for one of this package's own classes or for
nothing, and every setting passes the check it passes in a program. So a file from a stranger is safe to open.
"""

import inspect
import json
import math
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse import initializers, layers, optimizers, schedules
from dlcourse.backend import is_array, to_device, to_host
from dlcourse.columns import Column
from dlcourse.layers.base import Layer
from dlcourse.optimizers import Optimizer
from dlcourse.settings import is_column, refuse

FORMAT = 1  # to be raised when older programs would misread the file
FAMILIES = (initializers, layers, optimizers, schedules)
Arrays = dict[str, Any]
UNSAVED = {"theta_like", "decay_mask"}  # what Optimizer.start is given, no memory


def save_network(network: Any, path: str | Path, optimizer: Optimizer | None = None) -> None:
    """Write network, and optimizer, to path. An interrupted save leaves the file that was there before."""
    about: dict[str, Any] = {
        "format": FORMAT,
        "layers": [describe(layer, "Network.save.layers") for layer in network.layers],
        "input_shape": list(network.input_shape),
        "seed": np.asarray(network.seed).tolist(),
        "lanes": network.lanes,
        "dtype": network.parameters.dtype.name,
        "frozen_layers": [number for number, layer in enumerate(network.layers) if layer.frozen],
        "frozen": [window.frozen for window in network.parameters.windows],
        "dice": {name: describe(rng.bit_generator.state, "Network.save.dice") for name, rng in dice(network)},
    }
    arrays: Arrays = {f"network {name}": to_host(array) for name, array in network.state().items()}
    if optimizer is not None:
        if not isinstance(optimizer, Optimizer):
            refuse("Network.save.optimizer", "be an optimizer", optimizer, "Momentum(0.1), say; None saves none.")
        about["optimizer"] = describe(optimizer, "Network.save.optimizer")
        memory = memory_of(optimizer)
        large = {name for name, value in memory.items() if is_array(value) and not is_column(value)}
        arrays |= {f"optimizer {name}": to_host(memory.pop(name)) for name in large}
        about["optimizer"]["memory"] = describe(memory, "Network.save.optimizer.memory")["items"]
    about["arrays"] = sorted(arrays)
    write(place(path), {"about": np.array(json.dumps(about)), **arrays})


def load_network(path: str | Path, build: Callable[..., Any]) -> Any:
    """The network in this file; build(layers, input_shape, seed, lanes, dtype) makes it."""
    with opened(path) as (about, arrays):
        made = [restore(layer) for layer in about["layers"]]
        theta = arrays["network theta"]
        must(theta.size == size_of(made, about["input_shape"]) * (about["lanes"] or 1), "theta does not fit the layers")
        network = build(made, tuple(about["input_shape"]), about["seed"], about["lanes"], about["dtype"])
        learned = part(arrays, "network ")
        must(learned.keys() == network.state().keys(), "its arrays do not fit the layers")
        for name, array in network.state().items():
            must(like(array, learned[name]), f"{name} has the shape {learned[name].shape}, not {array.shape}")
        network.load_state({name: to_device(array) for name, array in learned.items()})
        for number in about["frozen_layers"]:
            network.freeze(number)
        windows = network.parameters.windows
        network.parameters.freeze(w for w, frozen in zip(windows, about["frozen"], strict=True) if frozen)
        for name, rng in dice(network):
            rng.bit_generator.state = restore(about["dice"][name])
    return network


def load_optimizer(path: str | Path, network: Any) -> Optimizer:
    """The optimizer that was saved with this network: its settings, its memory, its count of steps.

    network: what Network.load(path) returned; the optimizer works on its theta. To go on training as if there had
    been no pause, say fit(..., resume=True); without it, fit lets every optimizer forget.
    """
    with opened(path) as (about, arrays):
        must("optimizer" in about, "it was saved without an optimizer; use network.save(path, optimizer)")
        numbers = about["optimizer"].pop("memory")
        optimizer = restore(about["optimizer"])
        must(isinstance(optimizer, Optimizer), f"{optimizer!r} is no optimizer")
        if not numbers:  # it had not taken a step
            return optimizer
        optimizer.start(network.parameters.theta, network.parameters.decay_mask)
        optimizer.learning_rate = restore(about["optimizer"]["with"]["learning_rate"])  # start made it forget
        for name, array in part(arrays, "optimizer ").items():
            must(like(getattr(optimizer, name, array), array), f"{name} does not fit theta")
            remember(optimizer, name, to_device(array))
        for name, value in numbers.items():
            remember(optimizer, name, restore(value))
    return optimizer


# Things to text, and back.


def own_classes() -> dict[str, type]:
    """The classes that a file may name."""
    public = [item for family in FAMILIES for item in vars(family).values() if isinstance(item, type)]
    return {c.__name__: c for c in public if c.__module__.startswith(tuple(family.__name__ for family in FAMILIES))}


def describe(value: Any, what: str) -> Any:
    """As JSON has it: plain values as they are, all else as {"kind": ...}. Refuses what no file can bring back."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        items = [describe(item, what) for item in value]
        return items if isinstance(value, list) else {"kind": "tuple", "items": items}
    if isinstance(value, dict):
        return {"kind": "dict", "items": {name: describe(item, what) for name, item in value.items()}}
    if isinstance(value, np.ndarray):
        return {"kind": "array", "dtype": value.dtype.name, "items": value.tolist()}
    if own_classes().get(type(value).__name__) is not type(value):
        remedy = "A schedule, ExponentialDecay(...) say, can be saved; a lambda or a class of your own cannot."
        refuse(what, "be made of this package's own classes and plain values", value, remedy)
    given = {name: describe(getattr(value, name), f"{what}.{name}") for name in arguments(type(value))}
    memory = {}
    if isinstance(value, schedules.Schedule):  # ReduceOnPlateau remembers what it saw
        memory = {n: describe(v, f"{what}.{n}") for n, v in vars(value).items() if n not in given}
    return {"kind": type(value).__name__, "with": given} | ({"remembers": memory} if memory else {})


def restore(text: Any) -> Any:
    """What describe described."""
    if isinstance(text, list):
        return [restore(item) for item in text]
    if not isinstance(text, dict):
        return text
    kind = text["kind"]
    if kind == "tuple":
        return tuple(restore(item) for item in text["items"])
    if kind == "dict":
        return {name: restore(item) for name, item in text["items"].items()}
    if kind == "array":
        array = np.array(text["items"], text["dtype"])
        return Column(array) if is_column(array) else array
    must(kind in own_classes(), f"there is no class {kind!r} here")
    cls = own_classes()[kind]
    given = {name: restore(value) for name, value in text["with"].items()}
    starred = [given.pop(name) for name, star in arguments(cls).items() if star]
    made = cls(*(starred[0] if starred else ()), **given)
    for name, value in text.get("remembers", {}).items():
        remember(made, name, restore(value))
    return made


def remember(owner: Any, name: str, value: Any) -> None:
    """Set a memory; never a method, nor anything Python itself keeps in an object."""
    must(name.isidentifier() and not name.startswith("__"), f"{name} is no memory")
    must(not callable(getattr(owner, name, None)), f"{name} is no memory")
    setattr(owner, name, value)


def arguments(cls: type) -> dict[str, bool]:
    """The names of what the class is made with; True for a *list of things*."""
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: p.kind is p.VAR_POSITIONAL for p in parameters}


def memory_of(optimizer: Optimizer) -> Arrays:
    """What it has gathered since start; nothing if it never started."""
    if optimizer.theta_like is None:
        return {}
    return {n: v for n, v in vars(optimizer).items() if n not in UNSAVED and n not in arguments(type(optimizer))}


def dice(network: Any) -> Iterator[tuple[str, np.random.Generator]]:
    """Every generator in the layers, and in the layers inside them, with a name for each."""
    for number, layer in enumerate(each for top in network.layers for each in top.walk()):
        for name, value in vars(layer).items():
            if isinstance(value, np.random.Generator):
                yield f"{number}.{name}", value


def size_of(made: list[Layer], shape: Any) -> int:
    """How many parameters these layers ask for, before anybody makes room for them."""
    shape, size = tuple(shape), 0
    for layer in made:
        shape = layer.prepare(shape)
        size += sum(math.prod(window.shape) for window in layer.windows.values())
    return size


# Arrays to files, and back.


def place(path: str | Path) -> Path:
    """Where the file goes: "~" is the home folder, and a link stays a link."""
    full, got = Path(os.path.realpath(os.path.expanduser(path))), f"got path={os.fspath(path)!r}"
    if not full.parent.is_dir():
        rule = "Network.save.path must lie in a folder that exists"
        raise FileNotFoundError(f"{rule}; {got}. Make {full.parent} first.")
    if full.is_dir():
        raise IsADirectoryError(f'Network.save.path must name a file; {got}. It is a folder: add "/network.npz", say.')
    return full


def write(path: Path, arrays: Arrays) -> None:
    """Under another name first, and then all at once: nobody ever finds half a file."""
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with unfinished.open("xb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:  # names the file that was asked for
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from None
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def opened(path: str | Path) -> Iterator[tuple[dict[str, Any], Arrays]]:
    """The JSON text and the arrays of a file; whatever proves wrong with them is said together with its path."""
    with open(os.path.expanduser(path), "rb") as file:
        try:
            yield read(file)
        except Exception as error:  # a damaged archive raises nearly anything
            rule = "be a whole file that network.save wrote"
            refuse("Network.load.path", rule, os.fspath(path), f"What is wrong: {reason(error)}.")


def read(file: Any) -> tuple[dict[str, Any], Arrays]:
    stored = np.load(file, allow_pickle=False)
    must(isinstance(stored, np.lib.npyio.NpzFile) and "about" in stored, "it is a file of another kind")
    arrays = dict(stored)
    about = json.loads(str(arrays.pop("about")))
    must(isinstance(about, dict) and isinstance(about.get("format"), int), "it is a file of another kind")
    newer = f"its format is {about['format']}, and this dlcourse knows {FORMAT} and older; install a newer one"
    must(about["format"] <= FORMAT, newer)
    must(about["arrays"] == sorted(arrays), "it lacks arrays, or has too many")
    return about, arrays


def reason(error: Exception) -> str:
    words = f"{type(error).__name__}: {error}" if not isinstance(error, Damaged) else str(error)
    return words.strip().removesuffix(".")


class Damaged(Exception):
    """What is wrong with a file, in words."""


def must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Damaged(otherwise)


def like(one: Any, other: Any) -> bool:
    return getattr(one, "shape", None) == other.shape and one.dtype == other.dtype


def part(arrays: Arrays, head: str) -> Arrays:
    return {name.removeprefix(head): array for name, array in arrays.items() if name.startswith(head)}

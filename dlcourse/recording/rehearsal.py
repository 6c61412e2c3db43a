"""One step on recording arrays: what it computes, what it keeps, and what it changes besides."""

from functools import cache
from typing import Any

import numpy as np

from dlcourse.backend import Array
from dlcourse.layers.base import Layer
from dlcourse.network import Network
from dlcourse.recording.arrays import Recorded, RecordedDice, Tape
from dlcourse.recording.program import CannotRecord, Value

BOOKKEEPING = {"windows", "memory", "parameters", "children", "given", "starts", "input_shape", "output_shape"}


def owners_of(network: Network, loss: Any) -> list[Any]:
    """All layers, those inside others too, and the loss: whatever has attributes that a step may set."""
    return [*(each for layer in network.layers for each in layer.walk()), loss]


@cache
def noting(kind: Any) -> Any:
    """This class, but for noting in `assigned` which attributes are set."""

    def note(self: Any, name: str, value: Any) -> None:
        kind.__setattr__(self, name, value)
        if name in vars(self):
            self.assigned.add(name)

    return type(kind.__name__, (kind,), {"__setattr__": note, "__module__": kind.__module__})


class Rehearsal:
    """A step of `twin`, a copy of the network, in recording arrays; the program is to use the arrays of `network`."""

    def __init__(self, network: Network, loss: Any, twin: Network, twin_loss: Any, x: Array, t: Array):
        self.tape = tape = Tape(network.lanes)
        self.assigned: dict[int, set[str]] = {}
        lanes = network.lanes is not None
        vectors = twin.parameters.vectors
        for name, array in network.parameters.vectors.items():
            window = (name, 0, array.size)
            twin.parameters.vectors[name] = tape.input(name, vectors[name], lanes, array, window)
        self.owners = owners_of(twin, twin_loss)
        for number, (owner, original) in enumerate(zip(self.owners, owners_of(network, loss), strict=True)):
            self.wrap(number, owner, original, lanes)
        sizes = self.sizes()
        self.x, self.t = tape.input("batch", x), tape.input("target", t)
        self.prediction = twin.run(self.x, training=True)
        self.value = twin_loss.compare(self.prediction, self.t)
        twin.backward(twin_loss.backward())
        if self.sizes() != sizes:
            raise CannotRecord("it collects something at every step")
        self.outputs = twin.outputs
        self.results = [plain_copy(thing) for thing in (self.prediction, self.value, *twin.parameters.vectors.values())]
        self.results += [plain_copy(array) for owner in self.owners for array in memory_of(owner).values()]
        self.left = {(n, name): vars(self.owners[n]).get(name) for n, names in self.assigned.items() for name in names}
        self.unwrap(twin, vectors)

    def wrap(self, number: int, owner: Any, original: Any, lanes: bool) -> None:
        """Arrays become recording arrays, generators recording dice; what is assigned from now on is noted."""
        memory = memory_of(owner)
        for name, array in memory.items():
            memory[name] = self.tape.input((number, name), array, lanes, memory_of(original)[name])
        for name, value in list(vars(owner).items()):
            if isinstance(value, np.ndarray) and type(value) is np.ndarray:
                vars(owner)[name] = self.tape.input((number, name), value, at=vars(original).get(name))
            elif isinstance(value, np.random.Generator):
                vars(owner)[name] = RecordedDice(value, (number, name), self.tape)
        self.assigned[number] = vars(owner)["assigned"] = set()
        owner.__class__ = noting(type(owner))  # type: ignore[arg-type]

    def unwrap(self, twin: Network, vectors: dict[str, Any]) -> None:
        """As it was before, but for the numbers."""
        twin.outputs = []
        for name, array in twin.parameters.vectors.items():
            twin.parameters.vectors[name] = array.array
        for owner in self.owners:
            owner.__class__ = type(owner).__bases__[0]
            del vars(owner)["assigned"]
            memory = memory_of(owner)
            for name, value in memory.items():
                memory[name] = value.array
            for name, value in vars(owner).items():
                if isinstance(value, RecordedDice):
                    vars(owner)[name] = value.rng
                elif name not in BOOKKEEPING:
                    vars(owner)[name] = resolved(value, lambda value: value.array)

    def let_go(self) -> None:
        """The twin and what it computed have served; what stays says where results lie in the program."""
        del self.tape, self.owners, self.results

    def sizes(self) -> list[int]:
        kept = (v for owner in self.owners for name, v in vars(owner).items() if name != "assigned")
        return [len(v) for v in kept if isinstance(v, list | dict | set)]

    def kept(self) -> list[Value]:
        """What must be there after the step: results, and whatever layers and loss keep in attributes."""
        found = [self.prediction.value, self.value.value]
        for thing in (*self.left.values(), self.outputs):
            resolved(thing, lambda recorded: found.append(recorded.value))
        return found


def memory_of(owner: Any) -> dict[str, Any]:
    return owner.memory if isinstance(owner, Layer) else {}


def plain_copy(thing: Any) -> Array:
    return np.array(thing.array if isinstance(thing, Recorded) else thing)


def resolved(thing: Any, look: Any) -> Any:
    """thing, in which look(array) stands for every recording array, however deep in lists, tuples and dicts."""
    if isinstance(thing, Recorded):
        return look(thing)
    if type(thing) in (list, tuple):
        return type(thing)(resolved(item, look) for item in thing)
    if type(thing) is dict:
        return {name: resolved(item, look) for name, item in thing.items()}
    return thing


def alike(one: Any, other: Any) -> bool:
    """Do two rehearsals leave the same in an attribute? Recording arrays are compared line by line elsewhere."""
    if isinstance(one, Recorded) or isinstance(other, Recorded):
        return isinstance(one, Recorded) and isinstance(other, Recorded)
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.shape == other.shape and bool((one == other).all())
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    return one is other or bool(one == other)

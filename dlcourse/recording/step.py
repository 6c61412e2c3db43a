"""Forward, loss and backward for one batch, recorded the first time and replayed from then on.

    step = TrainingStep(network, loss)
    prediction, value = step(x, t)          grad is filled, running statistics have moved on
    print(step.report())                    what is replayed, what is not, and why

Recording happens on a copy of the network, twice: what is not the same twice is no program. The first replay is
compared with what the plain formulas gave. What cannot be recorded, or differs, is left to the plain formulas for good.
A setting that changes between two steps, or a layer that is frozen, is noticed, and the step is recorded anew.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from dlcourse.backend import Array, xp
from dlcourse.losses import Loss
from dlcourse.network import Network
from dlcourse.recording.program import CannotRecord, Program, same_program
from dlcourse.recording.rehearsal import BOOKKEEPING, Rehearsal, alike, memory_of, owners_of, resolved
from dlcourse.recording.replay import Replay
from dlcourse.recording.rewrites import rewrite


class TrainingStep:
    """One step's forward and backward pass, replayed where it can be, and plain where not."""

    def __init__(self, network: Network, loss: Loss):
        self.network, self.loss = network, loss
        self.recordings: dict[Any, Recording | str] = {}

    def __call__(self, x: Array, t: Array) -> tuple[Array, Array]:
        recording = self.recordings.get((x.shape, t.shape))
        if recording is None or (not isinstance(recording, str) and not recording.holds()):
            recording = self.recordings[x.shape, t.shape] = self.record(x, t)
        return self.plain(x, t) if isinstance(recording, str) else recording(x, t)

    def plain(self, x: Array, t: Array) -> tuple[Array, Array]:
        prediction = self.network.run(x, training=True)
        value = self.loss.compare(prediction, t)
        self.network.backward(self.loss.backward())
        return prediction, value

    def record(self, x: Array, t: Array) -> "Recording | str":
        """The recording, or why there is none."""
        if xp.backend_name != "numpy":
            return f"arrays are on {xp.backend_name}"
        try:
            with np.errstate(all="ignore"):
                return Recording(self.network, self.loss, x, t)
        except Exception as error:  # whatever a reader's own layer may raise, the plain formulas raise it too
            return str(error) or type(error).__name__

    def report(self) -> str:
        """A line for each shape of batch."""
        return "\n".join(f"batch {shapes[0]}: {describe(how)}" for shapes, how in self.recordings.items())


def describe(how: "Recording | str") -> str:
    return f"plain formulas: {how}" if isinstance(how, str) else how.how


class Recording:
    """One step for batches of one shape, as a program that is replayed. Raises CannotRecord."""

    def __init__(self, network: Network, loss: Loss, x: Array, t: Array):
        self.network, self.owners = network, owners_of(network, loss)
        twin, twin_loss = copy.deepcopy((network, loss))
        first = Rehearsal(network, loss, twin, twin_loss, x, t)
        second = Rehearsal(network, loss, twin, twin_loss, x, t)
        if different := same_program(first.tape.lines, second.tape.lines):
            raise CannotRecord(different)
        for key, value in first.left.items():
            if not alike(value, second.left.get(key)):
                raise CannotRecord(f"{key[1]} changes from step to step")
        self.program = rewrite(Program(first.tape.lines, first.kept()))
        self.carry(first)
        self.compilation: Any = None
        generator = partial(generator_of, self.owners)  # not a method: a ring of references would outlive its use
        self.first, self.run = first, Replay(self.program, generator)
        self.how = f"replayed, {len(self.run.calls)} calls"
        self.find()
        self.take_for_granted()
        self.compare(first.results, x, t)
        self.compilation = compilation(self.program, network, generator) if xp.compiles else None
        first.let_go()

    def carry(self, first: Rehearsal) -> None:
        """An attribute that is read and then assigned anew would have to be handed on from step to step."""
        for (number, name), _ in first.left.items():
            array = vars(self.owners[number]).get(name)
            reads = [v for v in self.program if v.kind == "input" and v.options["role"] == (number, name)]
            if array is not None and any(self.program.users(value) for value in reads):
                raise CannotRecord(f"{name} is handed on from step to step; `remember` is made for that")

    def find(self) -> None:
        """Where the executor in use reads its batch and leaves its results."""
        first, array = self.first, self.run.array

        def final(recorded: Any) -> Array:
            return array(self.program.final(recorded.value))

        self.x, self.t, self.prediction, self.value = map(final, (first.x, first.t, first.prediction, first.value))
        self.leaves = [(vars(self.owners[n]), name, resolved(v, final)) for (n, name), v in first.left.items()]
        self.outputs = resolved(first.outputs, final)

    def take_for_granted(self) -> None:
        """What must stay as it is for the program to hold."""
        self.settings = [
            (vars(owner), name, value)
            for number, owner in enumerate(self.owners)
            for name, value in vars(owner).items()
            if (number, name) not in self.first.left and name not in BOOKKEEPING
        ]
        self.settings += [(self.network.parameters.vectors, *item) for item in self.network.parameters.vectors.items()]
        self.frozen = [getattr(owner, "frozen", False) for owner in self.owners]

    def holds(self) -> bool:
        """Is everything that the program took for granted as it was?"""
        for owner, name, value in self.settings:
            if owner.get(name) is not value:
                return False
        return self.frozen == [getattr(owner, "frozen", False) for owner in self.owners]

    def __call__(self, x: Array, t: Array) -> tuple[Array, Array]:
        if self.compilation is not None and (self.compilation.ready or self.compilation.failed):
            self.switch(x, t)
        np.copyto(self.x, x)
        np.copyto(self.t, t)
        self.run()
        for owner, name, value in self.leaves:
            owner[name] = value
        self.network.outputs = self.outputs
        return self.prediction, self.value.copy()

    def results(self) -> list[Array]:
        memory = [array for owner in self.owners for array in memory_of(owner).values()]
        return [self.prediction, self.value, *self.network.parameters.vectors.values(), *memory]

    @contextmanager
    def taken_back(self) -> Iterator[None]:
        """What is tried in here leaves no trace: memories, dice and attributes are as they were."""
        memories = [array for owner in self.owners for array in memory_of(owner).values()]
        before = [array.copy() for array in memories]
        dice = [(v.bit_generator, v.bit_generator.state) for _, _, v in self.settings if hasattr(v, "bit_generator")]
        left = [(owner, name, owner.get(name, self)) for owner, name, _ in self.leaves]
        yield
        for array, old in zip(memories, before, strict=True):
            array[...] = old
        for generator, state in dice:
            generator.state = state
        for owner, name, value in left:
            owner.pop(name) if value is self else owner.__setitem__(name, value)

    def compare(self, results: list[Array], x: Array, t: Array) -> None:
        """Replay once, and look whether it gives what the plain formulas gave."""
        with self.taken_back():
            self(x, t)
            same = all(map(within_rounding, self.results(), results))
        if not same:
            raise CannotRecord("its replay differs from the plain formulas")

    def switch(self, x: Array, t: Array) -> None:
        """From NumPy to the compiled function, if it gives the same."""
        compiled, self.compilation = self.compilation, None
        replay, how, failed = self.run, self.how, compiled.failed
        if not failed:
            with self.taken_back():
                self(x, t)
                results = [array.copy() for array in self.results()]
            try:
                self.run, self.how = compiled, "compiled by Numba"
                self.find()
                self.compare(results, x, t)
                return
            except CannotRecord:
                failed = "its results differ from NumPy's"
        self.run, self.how = replay, f"{how}; not compiled: {failed}"
        self.find()


def generator_of(owners: list[Any], where: Any) -> np.random.Generator:
    """The dice of an owner, by its number and the name of the attribute."""
    return vars(owners[where[0]])[where[1]]


def compilation(program: Program, network: Network, generator: Any) -> Any:
    """The program on its way to become one compiled function."""
    from dlcourse.recording.compiled import Compilation, NotCompiled

    try:
        return Compilation(program, network.lanes, generator)
    except CannotRecord as error:
        return NotCompiled(str(error))


def within_rounding(ours: Array, theirs: Array) -> bool:
    """Equal but for rounding, as a share of the largest number; where one is not finite, the other is not either."""
    finite = np.isfinite(theirs)
    if not np.array_equal(np.isfinite(ours), finite):
        return False
    largest = np.abs(theirs[finite]).max(initial=0.0)
    return bool((np.abs(ours - theirs)[finite] <= 1e3 * np.finfo(theirs.dtype).eps * largest).all())

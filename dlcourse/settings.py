"""Settings that check themselves.

`@settings` makes a dataclass whose annotated fields are tested when the object is made *and* whenever one is
assigned later, so a bad number is refused where it is written, not a hundred steps on:

    @settings
    class Momentum(Optimizer):
        learning_rate: Rate = 0.01
        momentum: Annotated[float, share, "0.9 is the usual choice."] = 0.9

    Momentum(momentum=1.5)
    SettingError: Momentum.momentum must be in [0, 1); got momentum=1.5. 0.9 is the usual choice.
"""

import dataclasses
import difflib
import functools
import inspect
import math
from collections.abc import Callable, Iterable
from typing import Annotated, Any, NamedTuple, NoReturn, TypeVar, dataclass_transform, get_type_hints

import numpy as np

from dlcourse.columns import Column

T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., Any])


class SettingError(ValueError, TypeError):
    """A setting that cannot be used. A wrong type is a wrong value too, so it is caught as either."""


def refuse(what: str, rule: str, value: object, remedy: str) -> NoReturn:
    """Raise the one form of error this package has: what must obey which rule, what came, what to do."""
    raise SettingError(f"{what} must {rule}; got {what.rpartition('.')[2]}={plain(value)!r}. {remedy}")


def plain(value: Any) -> Any:
    """NumPy's numbers as Python's, in lists, tuples and dicts too: np.float64(0.1) is written, and stored, as 0.1."""
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple, set):
        return type(value)(map(plain, value))
    if type(value) is dict:
        return {plain(key): plain(item) for key, item in value.items()}
    return value


def is_number(value: object) -> bool:
    """A finite real number, NumPy's scalars among them; True and False are not numbers here."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return math.isfinite(value)


def is_column(value: object) -> bool:
    """One value per lane: a float array of shape (lanes, 1), or (lanes, 1, 1) for a setting inside a layer."""
    if not isinstance(value, np.ndarray) or value.ndim < 2 or value.size == 0:
        return False
    return value.shape[1:] == (1,) * (value.ndim - 1) and all(is_number(v) for v in value.ravel().tolist())


class Rule(NamedTuple):
    """A test and the words for it. `lanes` admits a column of values, each of which must pass."""

    words: str
    test: Callable[[Any], bool]
    lanes: bool = False

    def __call__(self, value: object) -> bool:
        if is_column(value) and self.lanes:
            return all(self.test(v) for v in value.ravel().tolist())  # type: ignore[attr-defined]
        return self.test(value)


positive = Rule("be a number above 0", lambda v: is_number(v) and v > 0, lanes=True)
not_negative = Rule("be a number, 0 or more", lambda v: is_number(v) and v >= 0, lanes=True)
share = Rule("be in [0, 1)", lambda v: is_number(v) and 0 <= v < 1, lanes=True)
finite = Rule("be a finite number", is_number)
whole = Rule("be a whole number, 0 or more", lambda v: is_whole(v) and v >= 0)
count = Rule("be a whole number, 1 or more", lambda v: is_whole(v) and v >= 1)
rate = Rule(
    "be a number, 0 or more, a (lanes, 1) column of such numbers, or a callable step -> rate",
    lambda v: callable(v) or (is_number(v) and v >= 0),
    lanes=True,
)


def is_list(value: object) -> bool:
    """A list, or what serves as one: a tuple, an array with one axis."""
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)


def is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def one_of(*choices: str) -> Rule:
    return Rule("be one of " + ", ".join(map(repr, choices)), lambda v: isinstance(v, str) and v in choices)


def check(what: str, rule: Rule, value: object, remedy: str) -> Any:
    """The value, if the rule holds for it: in Python's numbers (NumPy's would spread their dtype), or as a Column."""
    if not rule(value):
        refuse(what, rule.words, value, remedy)
    if is_column(value):
        return Column(value)
    return value.tolist() if isinstance(value, np.ndarray) else plain(value)


def check_lane(what: str, number: Any, lanes: int | None) -> None:
    """Refuse a lane that is not there."""
    if lanes is None or not (is_whole(number) and 0 <= number < lanes):
        owner = what.partition(".")[0].lower()
        rule = f"be in 0 … {lanes - 1}" if lanes else f"be asked of a {owner} that has lanes"
        refuse(what, rule, number, "Network(..., lanes=8) has the lanes 0 to 7.")


def check_columns(owner: object, theta: Any) -> None:
    """Refuse a setting with a value for each lane where theta, (lanes, P), has other lanes."""
    shape = getattr(theta, "shape", ())
    for name in getattr(owner, "__dataclass_fields__", ()):
        column = getattr(owner, name)
        if is_column(column) and column.shape[:-1] != shape[:-1]:
            rule = f"have one row for each lane of theta, whose shape is {shape}"
            refuse(f"{type(owner).__name__}.{name}", rule, column.shape, "A column is (lanes, 1).")


Rate = Annotated[Any, rate, "0.01 is a cautious start; a schedule is a callable."]


class Checked:
    """The descriptor behind one setting. It has no __get__: reading stays as fast as any attribute."""

    def __init__(self, name: str, rule: Rule, remedy: str):
        self.name, self.rule, self.remedy = name, rule, remedy

    def __set__(self, owner: object, value: object) -> None:
        what = f"{type(owner).__name__}.{self.name}"
        owner.__dict__[self.name] = check(what, self.rule, value, self.remedy)


@dataclass_transform()
def settings(cls: type[T]) -> type[T]:
    """A dataclass whose `Annotated[type, rule, remedy]` fields are checked at every assignment."""
    cls = dataclasses.dataclass(eq=False)(cls)
    for name, hint in get_type_hints(cls, include_extras=True).items():
        if getattr(hint, "__metadata__", None):
            setattr(cls, name, Checked(name, *hint.__metadata__))
    cls.__init__ = suggest_names(cls.__init__, cls.__name__)  # type: ignore[method-assign]
    return cls


def suggest_names(function: Function, name: str | None = None) -> Function:
    """A misspelt keyword is answered with the one that was meant and the list of all."""
    known = [p for p in inspect.signature(function).parameters if p != "self"]
    name = name or function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for key in kwargs.keys() - known:
            unknown_name(f"{name}.{key}", kwargs[key], known)
        return function(*args, **kwargs)

    return checked  # type: ignore[return-value]


def unknown_name(what: str, value: object, known: Iterable[str]) -> NoReturn:
    known = list(known)
    close = difflib.get_close_matches(what.rpartition(".")[2], known, 1)
    hint = f"Did you mean {close[0]}? " if close else ""
    refuse(what, "be a setting that exists", value, f"{hint}There are: {', '.join(known)}.")

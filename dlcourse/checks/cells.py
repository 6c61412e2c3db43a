"""The cells of a notebook: Python, with IPython's forms in it, and where in their order an exercise is answered.

    parsed("%time f(3)\\n!ls", "cell 1")     the tree of what runs: f(3), and a line that does nothing
    Order(sources, names).stops             for each exercise the cell after which it is answered

An exercise is answered in the state that its own cell left behind. Its own cell is the last one that defines its
function, and no other exercise's: a later cell that defines both needs the one for the other. If a check of it stands
below, `dl.check("name", name)`, it is answered there, as in the notebook itself; cells between the two belong to it.
What later cells define anew changes nothing. The rule is the same for `dlcourse check` and for grades.

The standard library only, as in all that goes into the sandbox.
"""

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

FORMS = 200  # of IPython's in a cell that is otherwise Python; more are taken for something else
RUNS = ("time", "capture", "prun")  # %%time: magics that run what stands below them, as if they were not there
ASSIGNED = re.compile(r"^([ \t]*)((?:[\w.,\[\]'\" ]{1,200}=[ \t]*)?)(%|!)(.*)$")
ASKED = re.compile(r"^([ \t]*)(?:\?{1,2}[^?].*|[^#\n]{1,200}\?{1,2};?[ \t]*)$")
PROMPT = re.compile(r"^(?:>>> ?|\.\.\. ?|In \[\d+\]: ?|[ ]{2,6}\.{3,}: ?)", re.MULTILINE)

# For a text that is no Python. Every repetition has an end: a hostile one must not make them go through it for ever.
DEFINED = re.compile(r"^(?:(?:async )?def {1,9}(?=\w)|(?=\w{1,99} {0,9}=[^=]))(\w{1,99})", re.MULTILINE)
CHECKED = re.compile(r"^[^#\n]{0,200}\bcheck\(\s{0,99}[\"'](\w{1,99})[\"']", re.MULTILINE)


def parsed(source: str, name: str = "<cell>") -> ast.Module:
    """A cell as Python; raises SyntaxError where IPython would. Lines keep their numbers."""
    source = as_pasted(without_cell_magic(source))
    for _ in range(FORMS):
        try:
            return ast.parse(source, name)
        except SyntaxError as error:
            better = translated(source, error.lineno or 0)
            if better == source:
                raise
            source = better
    return ast.parse(source, name)


def without_cell_magic(source: str) -> str:
    """`%%time` goes and leaves its cell; with `%%bash` or `%%timeit` the whole cell goes, for it leaves nothing."""
    while match := re.match(r"\s{0,99}%%(\w+).*\n?", source):
        if match[1] not in RUNS:
            return ""
        source = "\n" * match[0].count("\n") + source[match.end() :]
    return source


def as_pasted(source: str) -> str:
    """Without the prompts or the indentation that a cell was pasted with."""
    first = source.lstrip("\n").partition("\n")[0]
    if PROMPT.match(first):
        return PROMPT.sub("", source)
    return textwrap.dedent(source) if first[:1].isspace() else source


def translated(source: str, number: int) -> str:
    """The line that Python stumbled over, in Python; if that is none of IPython's, every line that is."""
    lines = source.split("\n")
    for places in ([number - 1], range(len(lines))):
        for place in places:
            if 0 <= place < len(lines) and (python := in_python(lines[place])) is not None:
                end = place
                while lines[end].endswith("\\") and end + 1 < len(lines):  # it goes on in the next
                    end += 1
                lines[place : end + 1] = [python] + [""] * (end - place)
        if lines != source.split("\n"):
            break
    return "\n".join(lines)


def in_python(line: str) -> str | None:
    """`x = %time f()` is x = f(). Other magics, commands of the shell and questions do nothing, and give None."""
    if match := ASSIGNED.match(line):
        indent, target, sign, rest = match.groups()
        timed = re.match(r"time\s+(?:-\S+\s+)*(\S.*)$", rest) if sign == "%" else None
        return f"{indent}{target}{timed[1] if timed else 'None' if target else 'pass'}"
    if match := ASKED.match(line):
        return f"{match[1]}pass"
    return None


# Where an exercise is answered


class Order:
    """stops: for each exercise, the cell after which it is answered; for one that nobody defines, the last.

    definitions: the cells that define it. All of them, numbers from 0.
    """

    def __init__(self, sources: Sequence[str], names: Iterable[str]):
        self.cells = [Cell(source) for source in sources]
        names = list(names)
        self.exercises = set(names).union(*(cell.checked for cell in self.cells))
        self.definitions = {name: [n for n, cell in enumerate(self.cells) if name in cell.defined] for name in names}
        self.stops = {name: self.stop(name) for name in names}

    def stop(self, name: str) -> int:
        own = (self.own_cells(name) or [max(len(self.cells) - 1, 0)])[-1]
        below = (number for number in range(own, len(self.cells)) if name in self.cells[number].checked)
        return next(below, own)

    def own_cells(self, name: str) -> list[int]:
        """Those that define it, and no other exercise; if there are none such, all that define it. The last counts."""
        places = self.definitions[name]
        return [number for number in places if self.cells[number].defined & self.exercises == {name}] or places


class Cell:
    """The names that a cell defines, and the exercises that it checks; from its text where it is no Python."""

    def __init__(self, source: str):
        try:
            tree = parsed(source)
            self.defined = {name for statement in tree.body for name in bound(statement)}
            self.checked = {check_of(node) for node in ast.walk(tree)} - {""}
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            self.defined = set(DEFINED.findall(source))
            self.checked = set(CHECKED.findall(source))


def bound(node: ast.AST) -> Iterator[str]:
    """The names that a statement binds, but for those inside functions and classes."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]
    elif not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        for child in ast.iter_child_nodes(node):
            yield from bound(child)


def check_of(node: ast.AST) -> str:
    """ "name", if this is dl.check("name", …); else nothing."""
    if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
        return ""
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return str(node.args[0].value) if called == "check" else ""

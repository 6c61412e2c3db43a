"""What every chapter keeps to: short cells, short sentences, a guess before each lab, stored pictures with words."""

import ast
import re
import socket
import statistics
import urllib.parse
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
MAX_LINES, MEDIAN_LINES, MAX_WORDS, MAX_BYTES = 15, 6, 30, 1_500_000
WIDGETS = "application/vnd.jupyter.widget"
ELSEWHERE = re.compile(
    r"/home/|/root/|/tmp/|/var/|/usr/|/opt/|/Users/|\b[A-Z]:\\\w|site-packages|ipykernel_\d|0x[0-9a-f]{8}"
)
FORBIDDEN = {"interact", "interactive", "interact_manual", "interactive_output", "Output", "clear_output", "ipywidgets"}
GUESS = re.compile(r"\bguess\b|\bbefore you\b|\bpredict\b|☐", re.IGNORECASE)

pytestmark = pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)


def cells(path, kind=None):
    return [cell for cell in nbformat.read(path, 4).cells if kind in (None, cell.cell_type)]


def where(path, cell):
    """The name by which a message calls a cell: its first line."""
    return f"{path.name}, cell {cell.id}, {cell.source.splitlines()[0][:60]!r}"


def outputs(path):
    return [(cell, output) for cell in cells(path, "code") for output in cell.outputs]


# The file


def test_it_is_a_valid_notebook_of_moderate_size(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}, "run tools/rebuild.py: metadata is for readers"
    assert path.stat().st_size < MAX_BYTES, (
        f"{path.name} is larger than {MAX_BYTES / 1e6} MB: fewer or smaller pictures"
    )


def test_it_was_run_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1)), f"{path.name}: run tools/rebuild.py"


# The code


def test_code_cells_are_short(path):
    lengths = {
        where(path, cell): sum(bool(line.strip()) for line in cell.source.splitlines()) for cell in cells(path, "code")
    }
    too_long = {name: lines for name, lines in lengths.items() if lines > MAX_LINES}
    assert not too_long, f"more than {MAX_LINES} lines: split them, or move a part into the package"
    assert statistics.median(lengths.values() or [0]) <= MEDIAN_LINES, f"half of the cells exceed {MEDIAN_LINES} lines"


def test_code_is_plain_python(path):
    for cell in cells(path, "code"):
        try:
            tree = ast.parse(cell.source)
        except SyntaxError as error:
            raise AssertionError(f"{where(path, cell)}: no magics, no shell, only Python") from error
        ends = [line for line in cell.source.splitlines() if line.rstrip().endswith(";")]
        assert not ends, f"{where(path, cell)}: what a cell ends with is shown; no semicolons: {ends}"
        assert "pip install" not in cell.source, f"{where(path, cell)}: installing is not a chapter's business"
        for node in ast.walk(tree):
            names = {node.id} if isinstance(node, ast.Name) else set()
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {part for alias in node.names for part in alias.name.split(".")}
                names |= set((getattr(node, "module", None) or "").split("."))
                assert "*" not in names, f"{where(path, cell)}: name what is imported"
            assert not names & FORBIDDEN, f"{where(path, cell)}: labs show pictures, not {names & FORBIDDEN}"


# The prose


def prose(cell):
    """Paragraphs and list items of a cell as plain words: no code, tables, pictures, marks."""
    text = re.sub(r"```.*?```|<!--.*?-->|\$\$.*?\$\$", "\n\n", cell.source, flags=re.DOTALL)
    text = re.sub(r"(?m)^\s*\|.*$|^#+ .*$|☐.*$", "\n", text)
    text = re.sub(r"!\[[^]]*\]\([^)]*\)", " ", text)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`]*`|\$[^$]*\$", "x", text)
    text = re.sub(r"(?m)^\s*(?:[*+-]|\d+\.|>) ", "\n\n", text)
    return [" ".join(part.replace("*", "").split()) for part in text.split("\n\n") if part.strip()]


def sentences(paragraph):
    return re.split(r"(?<=[.!?])[)\"”’]?\s+", paragraph)


def test_there_is_one_title_and_it_comes_first(path):
    text = re.sub(r"```.*?```", "", "\n".join(cell.source for cell in cells(path, "markdown")), flags=re.DOTALL)
    titles = re.findall(r"(?m)^# .+$", text)
    assert len(titles) == 1 and cells(path)[0].source.startswith(titles[0]), (
        f"{path.name}: one `#`, at the top: {titles}"
    )


def test_sentences_are_short(path):
    long = [
        f"{where(path, cell)}: {len(words)} words: {sentence}"
        for cell in cells(path, "markdown")
        for paragraph in prose(cell)
        if not paragraph.startswith("Sources")
        for sentence in sentences(paragraph)
        if len(words := re.findall(r"[^\W_][\w’'.,-]*", sentence)) > MAX_WORDS
    ]
    assert not long, f"more than {MAX_WORDS} words in a sentence; say it in two:\n" + "\n".join(long)


def test_links_lead_somewhere(path):
    for cell in cells(path, "markdown"):
        for target in re.findall(r"\]\(([^)\s]+)", cell.source):
            scheme, _, file, *_ = urllib.parse.urlsplit(target)
            assert scheme != "http", f"{where(path, cell)}: https, please: {target}"
            if not scheme and file:
                there = path.parent / urllib.parse.unquote(file)
                assert there.exists(), f"{where(path, cell)}: {target} is not there"
                comes_along = {NOTEBOOKS, NOTEBOOKS.parent / "exercises"} & set(there.resolve().parents)
                assert comes_along, f"{where(path, cell)}: {target} does not come along"


# The labs


def is_trial(cell):
    """It asks for its guess itself."""
    return cell.source.startswith("dl.trial(")


def is_lab(cell):
    return cell.source.rstrip().endswith(".show()") and not is_trial(cell)


def test_a_guess_comes_before_every_lab(path):
    guessed = False
    for cell in cells(path):
        if cell.cell_type == "markdown":
            guessed = guessed or bool(GUESS.search(cell.source))
        elif is_lab(cell):
            assert guessed, f"{where(path, cell)}: ask for a guess between the lab before and this one"
            guessed = False


def test_labs_and_trials_are_stored_as_a_picture_with_words(path):
    for cell in (cell for cell in cells(path, "code") if is_lab(cell) or is_trial(cell)):
        (output,) = cell.outputs or [None]
        assert output and "image/png" in output.data, f"{where(path, cell)}: no stored picture; run tools/rebuild.py"
        finding = output.data["text/plain"]
        assert (
            finding.endswith(".") and "Lab(" not in finding and not re.search(r"\b(nan|inf)\b", finding, re.IGNORECASE)
        )


def test_pictures_have_alt_text(path):
    for cell, output in outputs(path):
        for kind in output.get("data", {}):
            if kind.startswith("image/"):
                alt = output.metadata.get(kind, {}).get("alt", "")
                assert len(alt.split()) >= 8, f"{where(path, cell)}: say in words what the picture shows, not {alt!r}"
    for cell in cells(path, "markdown"):
        assert not re.search(r"!\[\s*\]\(", cell.source), f"{where(path, cell)}: a picture without alt text"
        assert "<img" not in cell.source or "alt=" in cell.source, f"{where(path, cell)}: a picture without alt text"


def test_outputs_hold_no_errors_and_no_widgets(path):
    for cell, output in outputs(path):
        assert output.output_type != "error", f"{where(path, cell)}: {output.get('evalue')}"
        assert output.get("name") != "stderr", f"{where(path, cell)}: {output.get('text')}"
        kinds = [kind for kind in output.get("data", {}) if kind.startswith(WIDGETS)]
        assert not kinds, f"{where(path, cell)}: run tools/rebuild.py; without a kernel {kinds} show nothing"


def test_nothing_tells_where_it_was_made(path):
    for cell, output in outputs(path):
        texts = [output.get("text", "")]
        texts += [str(data) for kind, data in output.get("data", {}).items() if not kind.startswith("image/")]
        for text in [*texts, cell.source]:
            found = ELSEWHERE.search(text)
            assert not found, f"{where(path, cell)}: {text[max(0, found.start() - 30) : found.end() + 30]!r}"
            assert socket.gethostname() not in text or len(socket.gethostname()) < 4, where(path, cell)

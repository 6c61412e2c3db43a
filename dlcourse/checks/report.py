"""What a check says: as text for a terminal and a screen reader, as HTML for a notebook, as JSON for a program."""

import html
import textwrap
from dataclasses import asdict, dataclass, replace
from typing import Any

MIME = "application/vnd.dlcourse.report+json"

# JupyterLab's own colours where there is one, for light and dark themes; words and marks say the same without them.
GOOD, BAD = "var(--jp-success-color0, #1b5e20)", "var(--jp-error-color1, #b3261e)"
CODE = "margin: 2px 0 6px 1.2em; white-space: pre-wrap; font-family: var(--jp-code-font-family, monospace)"


UNWRITTEN = "it is written"  # the property of an exercise that nobody has begun


@dataclass(frozen=True)
class Finding:
    """One property: did it hold, and if not, what came and what should have."""

    passed: bool
    words: str
    detail: str = ""
    given: str = ""
    got: str = ""
    expected: str = ""

    def lines(self) -> list[str]:
        lines = self.detail.splitlines()
        lines += [f"{'given':<10}{self.given}"] if self.given else []  # one line, however long: it can be pasted
        for label, text in (("got", self.got), ("expected", self.expected)):
            lines += textwrap.wrap(text, 96, initial_indent=f"{label:<10}", subsequent_indent=" " * 10)
        return lines


@dataclass(frozen=True)
class Report:
    """The result of `check`: true in an `if` when every property held.

    findings: one for each property. mistake: the sentence for the known wrong answer that this one behaves like; with
    perhaps, only nearly. hint: the next of up to three. points, out_of: all or none of them. note: what the code
    printed, or a warning. missing: what it uses that will not be there while grading. picture: an SVG, the wrong curve
    beside the right one.
    """

    name: str
    title: str
    findings: tuple[Finding, ...] = ()
    mistake: str = ""
    hint: str = ""
    points: float = 0
    out_of: float = 0
    note: str = ""
    perhaps: bool = False
    missing: str = ""
    picture: str = ""

    @property
    def passed(self) -> bool:
        return bool(self.findings) and all(finding.passed for finding in self.findings)

    @property
    def begun(self) -> bool:
        return any(finding.words != UNWRITTEN for finding in self.findings)

    def __bool__(self) -> bool:
        return self.passed

    def without_answers(self) -> "Report":
        """The same for a feedback page: what was given and what was expected is left out."""
        return replace(self, findings=tuple(replace(f, given="", expected="") for f in self.findings))

    @property
    def headline(self) -> str:
        points = f", {self.points:g} of {self.out_of:g} points" if self.out_of else ""
        return f"{'✓' if self.passed else '✗'} {self.title}: {'solved' if self.passed else 'not yet'}{points}"

    @property
    def named(self) -> str:
        """The mistake, as it is said."""
        return f"Perhaps: {self.mistake}" if self.perhaps and self.mistake else self.mistake

    @property
    def in_order(self) -> list[Finding]:
        """What does not hold comes first."""
        return sorted(self.findings, key=lambda finding: finding.passed)

    def __repr__(self) -> str:
        lines = [self.headline]
        lines += [f"  → {self.named}"] if self.mistake else []
        lines += [f"  ! {self.missing}"] if self.missing else []
        for finding in self.in_order:
            lines.append(f"  {'✓' if finding.passed else '✗'} {finding.words}")
            lines += [f"      {line}" for line in finding.lines()]
        lines += [f"  {self.note}"] if self.note else []
        lines += [f"  {self.hint}"] if self.hint else []
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<li style='color:{GOOD if f.passed else BAD}'>{'✓' if f.passed else '✗'} {html.escape(f.words)}"
            + (f"<pre style='{CODE}'>{html.escape(chr(10).join(f.lines()))}</pre>" if f.lines() else "")
            + "</li>"
            for f in self.in_order
        )
        parts = [f"<p><strong>{html.escape(self.headline)}</strong></p>"]
        parts.append(f"<p>→ <strong>{html.escape(self.named)}</strong></p>" if self.mistake else "")
        parts.append(f"<p>! {html.escape(self.missing)}</p>" if self.missing else "")
        parts.append(f"<ul style='list-style:none;padding-left:0.5em'>{rows}</ul>" if rows else "")
        parts.append(self.picture)
        parts.append(f"<p>{html.escape(self.note)}</p>" if self.note else "")
        if self.hint:
            number, _, hint = self.hint.partition(": ")
            parts.append(f"<details><summary>{html.escape(number)}</summary>{html.escape(hint)}</details>")
        return f"<div>{''.join(parts)}</div>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        facts = {**asdict(self), "passed": self.passed, "text": repr(self)}
        return {"text/plain": repr(self), "text/html": self._repr_html_(), MIME: facts}

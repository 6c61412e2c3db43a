"""Make what a learner gets out of the masters: `python tools/exercises.py`. tools/rebuild.py calls it too.

solutions/NAME/NAME.ipynb is edited by hand. exercises/NAME/NAME.ipynb is the same without outputs, and with one line in
place of every stretch from `### BEGIN SOLUTION …` to `### END SOLUTION`: what follows BEGIN SOLUTION says what to do.
The markers are nbgrader's; its own generate_assignment takes these masters as well.

A script to repair is handed out broken: the lines after `### BROKEN`, comments in the master, stand in for all.
"""

from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
BEGIN, BROKEN, END = "### BEGIN SOLUTION", "### BROKEN", "### END SOLUTION"


def masters() -> list[Path]:
    return sorted((ROOT / "solutions").glob("*/*.ipynb"))


def exercise_path(master: Path) -> Path:
    return ROOT / "exercises" / master.relative_to(ROOT / "solutions")


def student_version(master: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(master, 4)
    notebook.metadata = {k: notebook.metadata[k] for k in ("kernelspec", "language_info")}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.source = without_solution(cell.source)
            cell.metadata.pop("execution", None)
    return notebook


def without_solution(source: str) -> str:
    lines, inside, broken = [], False, False
    for line in source.splitlines():
        if BEGIN in line:
            indent, _, task = line.partition(BEGIN)
            task = task.strip()[:1].upper() + task.strip()[1:]
            lines.append(f'{indent}raise NotImplementedError("{task}.")')
            inside = True
        elif BROKEN in line:
            lines.pop()
            broken = True
        elif END in line:
            inside = broken = False
        elif broken:
            lines.append(line.replace("# ", "", 1))
        elif not inside:
            lines.append(line)
    if inside:
        raise ValueError(f"{BEGIN} without {END} in:\n{source}")
    return "\n".join(lines)


def rebuild() -> None:
    for master in masters():
        path = exercise_path(master)
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(student_version(master), path)
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    rebuild()

"""The tasks of a class, handed out to processes that may die, one by one or all together."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait

from dlcourse.grading import executors
from dlcourse.grading.grader import Attempt, attempt, in_words
from dlcourse.grading.sandbox import NoSandbox
from dlcourse.grading.tasks import Task, longest
from dlcourse.sweeps import handed_over

TRIES = 3  # for a task whose process, machine or sandbox failed
LOOK = 1.0  # seconds
AT_ONCE, BYTES_AT_ONCE = 64, 64 << 20  # tasks under way, and what their files weigh together

Tried = Attempt | str  # what came of a task, or the words why nothing did
Job = tuple[Task, int]  # and how often it was handed out, for processes die
UnderWay = dict[Future[Attempt], Job]


class Jobs:
    """What is to be done, in which order.

    Tasks of which nothing is known are done side by side. What was under way when a process died is tried again, each
    alone: so the one that kills it is found, and costs nobody else a grade. And when all others are done, what was in
    doubt is tried again, each alone, where nothing of ours takes its memory or its time.
    """

    def __init__(self, tasks: Iterator[Task]):
        self.tasks = tasks
        self.again: list[Job] = []
        self.in_doubt: list[Job] = []
        self.under_way: UnderWay = {}

    def next(self) -> Job | None:
        if self.again or any(tries > 1 or task.tried for task, tries in self.under_way.values()):
            return self.again.pop(0) if self.again and not self.under_way else None
        weight = sum(len(content) for task, _ in self.under_way.values() for _, content in task.files)
        if len(self.under_way) >= AT_ONCE or weight >= BYTES_AT_ONCE:
            return None
        if task := next(self.tasks, None):
            return task, 1
        return self.in_doubt.pop(0) if self.in_doubt and not self.under_way else None


def run(tasks: Iterator[Task], executor: Callable[[], Executor]) -> Iterator[tuple[Task, Tried]]:
    """Each task with what came of it, as it comes; one that leaves doubts comes again until it leaves none."""
    pool = executor()
    jobs = Jobs(tasks)
    try:
        while True:
            while job := jobs.next():
                jobs.under_way[handed_over(pool, attempt, job[0])] = job
            if not jobs.under_way:
                break
            ended = first_of(jobs.under_way)
            broken = not ended  # not one of them in the time that each may take: nothing comes from there any more
            for future in ended:
                task, tries = jobs.under_way.pop(future)
                try:
                    tried = future.result()
                except Exception as error:
                    broken |= isinstance(error, BrokenExecutor)
                    if tries < TRIES and isinstance(error, BrokenExecutor | NoSandbox | OSError):
                        jobs.again.append((task, tries + 1))
                    else:
                        yield task, f"{type(error).__name__}: {error}"
                    continue
                yield task, tried
                if tried.doubts and task.last:
                    yield task, in_words(tried.doubts)
                elif tried.doubts:
                    jobs.in_doubt.append((tried.again, 1))
            if broken:
                for task, tries in jobs.under_way.values():
                    if tries < TRIES:
                        jobs.again.append((task, tries + 1))
                    else:
                        yield task, "its process does not answer"
                jobs.under_way.clear()
                executors.end(pool)
                pool = executor()
    finally:
        executors.end(pool)


def first_of(under_way: UnderWay) -> set[Future[Attempt]]:
    """Those that have ended; none if nothing does in the longest time that one of them may take.

    The time in which this process itself stood still is not theirs, so it is measured in short looks.
    """
    left = max(longest(task) for task, _ in under_way.values())
    while True:
        ended = wait(under_way, min(left, LOOK), return_when=FIRST_COMPLETED).done
        left -= LOOK
        if ended or left <= 0:
            return ended


def with_bar(
    pairs: Iterable[tuple[Task, Tried]], students: int, waiting: int, progress: bool
) -> Iterator[tuple[Task, Tried]]:
    if not progress:
        yield from pairs
        return
    from tqdm import tqdm

    with tqdm(total=students, initial=students - waiting, unit=" submissions", desc="graded") as bar:
        counts: Counter[str] = Counter()
        for task, tried in pairs:
            if isinstance(tried, str) or not tried.doubts:
                kind = "failed" if isinstance(tried, str) else "refused" if task.problem else "read"
                counts[kind] += 1
                bar.set_postfix(counts, refresh=False)
                bar.update()
            yield task, tried

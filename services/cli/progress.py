"""What is being done, as it is done: a spinner on a terminal, plain lines in a pipe."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

Advance = Callable[[], None]


@contextmanager
def step(text: str, total: int = 0) -> Iterator[Advance]:
    """Say that something is being done while the block lasts, and how long it took.

    Args:
        text: what.
        total: of how many parts; each call of what the block is given counts one.
    """
    began = time.monotonic()
    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(console, total) as progress:
            task = progress.add_task(text, total=total or None)
            yield lambda: progress.advance(task)
        console.print(f"[green]✓[/] {text} [dim]{time.monotonic() - began:.1f} s[/]")
        return
    sys.stderr.write(f"{text} ...")
    sys.stderr.flush()
    try:
        yield lambda: None
    except BaseException:
        sys.stderr.write("\n")
        raise
    sys.stderr.write(f" done in {time.monotonic() - began:.1f} s\n")


@contextmanager
def waiting(text: str) -> Iterator[Callable[[str], None]]:
    """Say that something is waited for while the block lasts, and what it says meanwhile.

    Args:
        text: what is waited for; each sentence that what the block is given is called with is a
            line below it.
    """
    began = time.monotonic()
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    if console.is_terminal:
        with _bar(console, 0) as progress:
            progress.add_task(text, total=None)
            yield lambda sentence: progress.console.print(f"  {sentence}")
    else:
        sys.stderr.write(f"{text} ...\n")
        yield lambda sentence: typer.echo(f"  {sentence}", err=True)
    console.print(f"  after {time.monotonic() - began:.1f} s")


def _bar(console: Console, total: int) -> Progress:
    columns = [SpinnerColumn(), TextColumn("{task.description}")]
    if total:
        columns = [*columns, BarColumn(bar_width=20), MofNCompleteColumn()]
    return Progress(*columns, console=console, transient=True)

"""The live view: one thread looks, the other draws and hears the keys, so that q works while a broker is away."""

import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from cli.monitor_view import HINT, Rates, drawn, rates
from mend.runtime.clock import now
from mend.runtime.errors import UserError
from mend.runtime.redact import masked
from mend.runtime.settings import Settings
from mend.store.engine import open_store
from orchestration.overview import Overview, overview

KEY_WAIT_S = 0.1
ENDING = ("q", "Q", "\x03", "\x04")


class Watcher(Thread):
    """Looks again and again until it is asked to stop; what it saw last is `seen`, what went wrong is `trouble`."""

    def __init__(self, settings: Settings, every: float) -> None:
        super().__init__(daemon=True)
        self.settings, self.every = settings, every
        self.stop = Event()
        self.seen: Overview | None = None
        self.speed: Rates | None = None
        self.trouble = ""

    def run(self) -> None:
        """Look; a store that is away may come back."""
        while not self.stop.is_set():
            try:
                self.look_while_open()
            except UserError as error:
                self.trouble = masked(str(error))
            self.stop.wait(self.every)

    def look_while_open(self) -> None:
        """Look with one open store for as long as it answers."""
        with open_store(self.settings.store_url) as store:
            while not self.stop.is_set():
                fresh = overview(self.settings, store, now())
                if self.seen is not None:
                    self.speed = rates(self.seen, fresh)
                self.seen, self.trouble = fresh, ""
                self.stop.wait(self.every)


def live(settings: Settings, every: float) -> None:
    """Show it until q or Ctrl-C; the terminal is afterwards as it was."""
    watcher, console = Watcher(settings, every), Console()

    def render() -> RenderableType:
        if watcher.seen is None:
            return Text(watcher.trouble or "looking …")
        note = f"{watcher.trouble} · {HINT}" if watcher.trouble else HINT
        return drawn(watcher.seen, watcher.speed, height=console.height, note=note)

    watcher.start()
    try:
        with keys() as pressed, Live(console=console, get_renderable=render, screen=True, refresh_per_second=4):
            while pressed() not in ENDING:
                pass
    except KeyboardInterrupt:
        pass
    finally:
        watcher.stop.set()


@contextmanager
def keys() -> "Iterator[Pressed]":
    """Let single keys be read from the terminal, without an echo."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield Pressed()
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


class Pressed:
    """The next key, or nothing after a moment; the end of the input ends the view, too."""

    def __call__(self) -> str:
        """Wait for a key."""
        ready, _, _ = select.select([sys.stdin], [], [], KEY_WAIT_S)
        return (sys.stdin.read(1) or ENDING[0]) if ready else ""

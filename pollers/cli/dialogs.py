"""What `pollers top` opens over its tables: one poll in full, and a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import redis
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from pollers import PastAttempt, PollStatus
from pollers.cli.attempts import cells
from pollers.cli.exits import sentence
from pollers.cli.inspection import fields, line_of
from pollers.cli.steering import NUDGE
from pollers.cli.text import printable
from pollers.errors import PollError
from pollers.store.history import read_history
from pollers.store.parking import explained

if TYPE_CHECKING:
    from pollers.cli.screen import Top

#: Seconds between two looks at a poll that is open.
LOOK_EVERY = 1.0
_COLOURS = {"succeeded": "green", "failed": "red"}


class Detail(ModalScreen[None]):
    """One poll: its state, its parameters, its last attempts."""

    CSS = """
    Detail { align: center middle; }
    Detail > VerticalScroll { width: 92%; height: 90%; border: round $accent; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "back", key_display="Esc"),
        Binding("n", "nudge", "nudge"),
        Binding("p", "pause", "pause/resume"),
        Binding("c", "cancel", "cancel"),
    ]

    def __init__(self, top: Top, poll_id: str) -> None:
        super().__init__()
        self._top = top
        self.poll_id = poll_id

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with VerticalScroll() as box:
            box.border_title = Text(self.poll_id).markup
            yield Static(id="poll")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        self.look()
        self.set_interval(LOOK_EVERY, self.look)

    @work(thread=True, exclusive=True)
    def look(self) -> None:
        """Read the poll in a thread."""
        store = self._top.store
        try:
            history, found = read_history(store, self.poll_id), store.find(self.poll_id)
            if found is not None:
                ((_, found),) = explained(store, [(self.poll_id, found)])
        except (PollError, redis.RedisError) as error:
            text = Text(sentence(error), "bold red")
        else:
            if found is None:
                text = Text("It is not known any more.")
            else:
                past = [PastAttempt.of(entry, found.record) for entry in history]
                text = _told(PollStatus.of(self.poll_id, found), past)
        self.app.call_from_thread(self.query_one("#poll", Static).update, text)

    def action_nudge(self) -> None:
        """Make it due now."""
        self._top.steer(NUDGE, self.poll_id)

    def action_pause(self) -> None:
        """Pause or resume it."""
        self._top.toggle_pause(self.poll_id)

    def action_cancel(self) -> None:
        """Cancel it, when that is confirmed."""
        self._top.cancel(self.poll_id)


class Ask(ModalScreen[bool]):
    """A question that is answered by a key."""

    CSS = """
    Ask { align: center middle; }
    Ask > Vertical { width: auto; height: auto; border: round $warning; padding: 1 2; }
    Ask Static { width: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,q", "answer(False)", "no"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical():
            yield Static(Text(f"{self._question}  y / n"))

    def action_answer(self, yes: bool) -> None:
        """Close it with the answer."""
        self.dismiss(yes)


def _told(status: PollStatus, past: list[PastAttempt]) -> Text:
    text = Text()
    for name, value in fields(status, {}):
        text.append(f"{name:<15}", "bold").append(f"{printable(value)}\n")
    if past:
        text.append("\nhistory, the latest first\n", "bold")
    for attempt in reversed(past):
        line = "  ".join(cells(line_of(attempt))).rstrip()
        text.append(f"{line}\n", _COLOURS.get(attempt.decision, ""))
    return text

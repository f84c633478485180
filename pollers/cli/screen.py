"""The live screen of `pollers top`: tables that are read anew each second, and keys that steer polls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import redis
from rich.text import Text
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Footer, Input, Sparkline, Static

from pollers.cli import panels
from pollers.cli.board import Board, Snapshot
from pollers.cli.dialogs import Ask, Detail
from pollers.cli.exits import sentence
from pollers.cli.steering import CANCEL, NUDGE, PAUSE, RESUME, Action
from pollers.errors import PollError
from pollers.store import Polls

#: Seconds between two looks.
LOOK_EVERY = 1.0

Steered = TypeVar("Steered")


class Top(App[None]):
    """Shows the board, and steers what the cursor is at."""

    TITLE = "pollers top"
    CSS = """
    #counts, #rates { height: auto; padding: 0 1; }
    #sparks { height: 4; }
    #sparks > Vertical { width: 1fr; padding: 0 1; }
    Sparkline { height: 2; }
    #errors-spark > .sparkline--max-color { color: $error; }
    #errors-spark > .sparkline--min-color { color: $error 60%; }
    #middle { height: 9; }
    #middle > DataTable { height: 100%; }
    #origins { width: 2fr; }
    #workers { width: 1fr; }
    #due, #failing { height: 1fr; }
    #sparks > Vertical, DataTable { border: round $primary; border-title-color: $text-muted; }
    DataTable:focus { border: round $accent; border-title-color: $accent; }
    DataTable { scrollbar-size-horizontal: 0; }
    .-short #sparks, .-short #sparks > Vertical, .-short Sparkline { height: 1; border: none; }
    .-short #middle { height: 5; }
    #filter { display: none; dock: bottom; }
    #filter.shown { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        # Enter is the key of the tables themselves.
        Binding("o", "open", "open", key_display="Enter"),
        Binding("n", "nudge", "nudge"),
        Binding("p", "pause", "pause/resume"),
        Binding("c", "cancel", "cancel"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("escape", "clear", "no filter", show=False),
        Binding("q", "quit", "quit"),
        # As everywhere; over what is open, too, and while a filter is typed.
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]
    ENABLE_COMMAND_PALETTE = False
    #: Lines of the terminal from which there is room for everything.
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-short"), (34, "-tall")]  # noqa: RUF012

    def __init__(self, board: Board, text: str = "") -> None:
        super().__init__()
        self._board = board
        self._text = text
        #: What is shown; None before the first look.
        self.snapshot: Snapshot | None = None

    @property
    def store(self) -> Polls:
        """The store that is looked at."""
        return self._board.store

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(id="counts")
        yield Static("reading ...", id="rates")
        with Horizontal(id="sparks"):
            for name in ("attempts", "errors"):
                with Vertical() as box:
                    box.border_title = f"{name} a second, for a minute"
                    yield Sparkline([0.0], id=f"{name}-spark", summary_function=max)
        with Horizontal(id="middle"):
            yield _table("origins", panels.ORIGIN_COLUMNS, "origins and limits")
            yield _table("workers", panels.WORKER_COLUMNS, "workers")
        yield _table("due", panels.DUE_COLUMNS, "due next, the most overdue first")
        yield _table("failing", panels.FAILING_COLUMNS, "failing, the most errors in a row first")
        yield Input(self._text, placeholder="id, URL, state, tag or tenant", id="filter", compact=True)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        self.query_one("#due").focus()
        self.query_one("#filter").set_class(bool(self._text), "shown")
        self.look()
        self.set_interval(LOOK_EVERY, self.look)

    @work(thread=True, exclusive=True, group="look")
    def look(self) -> None:
        """Take a snapshot in a thread, so that keys are answered meanwhile."""
        try:
            snapshot = self._board.look(self._text)
        except (PollError, redis.RedisError) as error:
            self.call_from_thread(self._complain, sentence(error))
            return
        self.call_from_thread(self.show, snapshot)

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        self.snapshot = snapshot
        self.query_one("#counts", Static).update(panels.counts(snapshot))
        self.query_one("#rates", Static).update(panels.rates(snapshot))
        for name in ("attempts", "errors"):
            self.query_one(f"#{name}-spark", Sparkline).data = getattr(snapshot, f"{name}_per_second") or [
                0.0
            ]
        origins = [(str(one["origin"]), panels.origin_cells(one)) for one in snapshot.origins]
        limits = [(f"limit {one['name']}", panels.limit_cells(one)) for one in snapshot.limits]
        self._fill("origins", origins + limits)
        self._fill("workers", [(worker.name, panels.worker_cells(worker)) for worker in snapshot.workers])
        self._fill("due", [(row.status.id, panels.due_cells(row)) for row in snapshot.due])
        self._fill("failing", [(row.status.id, panels.failing_cells(row)) for row in snapshot.failing])
        failing = self.query_one("#failing", DataTable)
        failing.border_title = f"failing, the most errors in a row first{panels.looked_at(snapshot)}"

    def _fill(self, name: str, rows: Sequence[tuple[str, list[Text]]]) -> None:
        """Replace the rows of a table; a cursor that was moved stays at its row, wherever that is now."""
        table = self.query_one(f"#{name}", DataTable)
        key, at, scroll = _key_at_cursor(table), table.cursor_row, table.scroll_offset
        table.clear()
        for row_key, cells in rows:
            table.add_row(*cells, key=row_key)
        keys = [row_key for row_key, _ in rows]
        if at and keys:
            table.move_cursor(row=keys.index(key) if key in keys else min(at, len(keys) - 1), scroll=False)
            table.scroll_to(*scroll, animate=False)

    def _complain(self, message: str) -> None:
        self.query_one("#rates", Static).update(Text(message, "bold red"))

    # ------------------------------------------------------------------ keys

    def poll_at_cursor(self) -> str | None:
        """Return the poll that the cursor is at; None in the other tables."""
        table = self.focused
        if isinstance(table, DataTable) and table.id in ("due", "failing"):
            return _key_at_cursor(table)
        return None

    @on(DataTable.RowSelected, "#due, #failing")
    def action_open(self) -> None:
        """Show one poll in full."""
        if poll_id := self.poll_at_cursor():
            self.push_screen(Detail(self, poll_id))

    def action_nudge(self) -> None:
        """Make the poll at the cursor due now."""
        if poll_id := self.poll_at_cursor():
            self.steer(NUDGE, poll_id)

    def action_pause(self) -> None:
        """Pause or resume the poll, or the origin, at the cursor."""
        table = self.focused
        if poll_id := self.poll_at_cursor():
            self.toggle_pause(poll_id)
        elif isinstance(table, DataTable) and table.id == "origins" and self.snapshot:
            name = _key_at_cursor(table) or ""
            states = {one["origin"]: one["state"] for one in self.snapshot.origins}
            if name in states:
                action = RESUME if states[name] == "paused" else PAUSE
                change, told = action.origin or (None, "")
                if change is not None:
                    self.change(lambda: change(self.store, name), lambda _: f"{name} {told}")

    def action_cancel(self) -> None:
        """Cancel the poll at the cursor, when that is confirmed."""
        if poll_id := self.poll_at_cursor():
            self.cancel(poll_id)

    def toggle_pause(self, poll_id: str) -> None:
        """Pause a poll, or resume it."""

        def change() -> tuple[Action, str]:
            found = self.store.find(poll_id)
            action = RESUME if found is not None and found.record.paused else PAUSE
            return action, action.change(self.store, poll_id, 1)

        self.change(change, lambda done: f"{poll_id} {done[0].words(done[1])[1]}")

    def cancel(self, poll_id: str) -> None:
        """Cancel a poll, when that is confirmed."""

        def answered(yes: bool | None) -> None:
            if yes:
                self.steer(CANCEL, poll_id)

        self.push_screen(Ask(f"Cancel {poll_id}?"), answered)

    def steer(self, action: Action, poll_id: str) -> None:
        """Do something to a poll, and say what came of it."""
        self.change(
            lambda: action.change(self.store, poll_id, 1),
            lambda state: f"{poll_id} {action.tell(self.store, poll_id, state)[1]}",
        )

    @work(thread=True)
    def change(self, change: Callable[[], Steered], told: Callable[[Steered], str]) -> None:
        """Change something in Redis, in a thread, and say what came of it."""
        try:
            message, severity = told(change()), "information"
        except (PollError, redis.RedisError) as error:
            message, severity = sentence(error), "error"
        self.call_from_thread(self.notify, message, severity=severity, markup=False)
        self.look()

    def action_filter(self) -> None:
        """Ask for a filter."""
        field = self.query_one("#filter", Input)
        field.add_class("shown")
        field.focus()

    def action_clear(self) -> None:
        """Take the filter away."""
        field = self.query_one("#filter", Input)
        field.value = ""
        field.remove_class("shown")
        self.query_one("#due").focus()

    @on(Input.Changed, "#filter")
    def _filter(self, event: Input.Changed) -> None:
        self._text = event.value
        self.look()

    @on(Input.Submitted, "#filter")
    def _leave_filter(self) -> None:
        self.query_one("#due").focus()


def _table(name: str, columns: Sequence[str], title: str) -> DataTable[Any]:
    table: DataTable[Any] = DataTable(id=name, cursor_type="row", zebra_stripes=True)
    table.add_columns(*columns)
    table.border_title = title
    return table


def _key_at_cursor(table: DataTable[Any]) -> str | None:
    if not table.is_valid_row_index(table.cursor_row):
        return None
    return table.ordered_rows[table.cursor_row].key.value

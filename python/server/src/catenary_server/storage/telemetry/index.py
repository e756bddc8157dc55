"""The index: runs, scalars and commands in one sqlite database beside the logs.

Nothing here is the only copy: what a crash takes from it is read again from the logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import sqlite3
import threading
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from catenary_server.domain.telemetry import Series
from catenary_server.domain.telemetry_run import decode_command
from catenary_server.domain.telemetry_store import CommandRow, IndexedRun
from catenary_server.storage.telemetry.faults import index_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from catenary_server.domain.telemetry_store import IndexChange

T = TypeVar("T")

VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE runs (
  run INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, position INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL, state TEXT NOT NULL
);
CREATE TABLE metrics (metric INTEGER PRIMARY KEY, run INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (run, name));
CREATE TABLE scalars (
  metric INTEGER NOT NULL, step INTEGER NOT NULL, position INTEGER NOT NULL, item INTEGER NOT NULL,
  time_ms INTEGER NOT NULL, value REAL, PRIMARY KEY (metric, step, position, item)
) WITHOUT ROWID;
CREATE TABLE commands (
  run INTEGER NOT NULL, command_id TEXT NOT NULL, command TEXT NOT NULL, result BLOB, PRIMARY KEY (run, command_id)
) WITHOUT ROWID;
"""
_SELECTED: Final = "FROM scalars WHERE metric = ? AND step BETWEEN ? AND ?"
_POINTS: Final = """
SELECT min(step), max(CASE WHEN n % ?4 = 0 THEN time_ms END), min(value), max(value) FROM (
  SELECT step, time_ms, value, row_number() OVER (ORDER BY step, position, item) - 1 AS n
  FROM scalars WHERE metric = ?1 AND step BETWEEN ?2 AND ?3
) GROUP BY n / ?4 ORDER BY n / ?4
"""
_LARGEST: Final = (1 << 63) - 1


class SqliteIndex:
    """A `RunIndex` in a file; opened anew when it is of another version or damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        self._writer = self._connect()
        self._reader = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._metrics: dict[tuple[int, str], int] = {}

    def close(self) -> None:
        """Release the file."""
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()

    async def runs(self) -> list[IndexedRun]:
        """See `RunIndex.runs`."""
        return await asyncio.to_thread(self._runs)

    def _runs(self) -> list[IndexedRun]:
        with self._writing, index_faults():
            return [
                IndexedRun(*row) for row in self._writer.execute("SELECT key, position, size_bytes, state FROM runs")
            ]

    async def write(self, changes: Sequence[IndexChange]) -> None:
        """See `RunIndex.write`."""
        await asyncio.to_thread(self.write_now, changes)

    async def remove(self, key: str) -> None:
        """See `RunIndex.remove`."""
        await asyncio.to_thread(self.remove_now, key)

    async def command(self, key: str, command_id: str) -> CommandRow | None:
        """See `RunIndex.command`."""
        query = "SELECT command, result FROM commands JOIN runs USING (run) WHERE key = ? AND command_id = ?"
        rows = await asyncio.to_thread(self._read, lambda: self._reader.execute(query, (key, command_id)).fetchall())
        if not rows:
            return None
        return CommandRow(command_id, decode_command(json.loads(rows[0][0])), rows[0][1])

    async def series(
        self, key: str, metric_names: Sequence[str], steps: tuple[int | None, int | None], most_points: int
    ) -> list[Series]:
        """See `RunIndex.series`."""
        low, high = steps[0] or 0, _LARGEST if steps[1] is None else min(steps[1], _LARGEST)
        return await asyncio.to_thread(
            self._read, lambda: [self._series(key, name, (low, high), most_points) for name in metric_names]
        )

    def write_now(self, changes: Sequence[IndexChange]) -> None:
        """Take changes in; blocks."""
        with self._transaction() as database:
            for change in changes:
                self._apply(database, change)

    def remove_now(self, key: str) -> None:
        """Forget a run; blocks."""
        with self._transaction() as database:
            run = "(SELECT run FROM runs WHERE key = ?)"
            database.execute(
                f"DELETE FROM scalars WHERE metric IN (SELECT metric FROM metrics WHERE run = {run})",  # noqa: S608 - ours
                (key,),
            )
            for table in ("metrics", "commands", "runs"):
                database.execute(f"DELETE FROM {table} WHERE run = {run}", (key,))  # noqa: S608 - our own names
            self._metrics.clear()

    def _apply(self, database: sqlite3.Connection, change: IndexChange) -> None:
        (run,) = database.execute(
            "INSERT INTO runs (key, position, size_bytes, state) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
            " position = excluded.position, size_bytes = excluded.size_bytes, state = excluded.state RETURNING run",
            (change.key, change.position, change.size_bytes, change.state),
        ).fetchone()
        database.executemany(
            "INSERT OR REPLACE INTO scalars VALUES (?, ?, ?, ?, ?, ?)",
            (
                (
                    self._metric(database, run, row.metric_name),
                    min(row.step, _LARGEST),
                    row.position,
                    row.item,
                    row.time_ms,
                    row.value,
                )
                for row in change.scalars
            ),
        )
        for row in change.commands:
            if row.command is not None:
                body = json.dumps(dataclasses.asdict(row.command))
                values = (run, row.command_id, body)
                database.execute("INSERT OR IGNORE INTO commands (run, command_id, command) VALUES (?, ?, ?)", values)
            else:
                update = "UPDATE commands SET result = ? WHERE run = ? AND command_id = ?"
                database.execute(update, (row.result, run, row.command_id))

    def _metric(self, database: sqlite3.Connection, run: int, name: str) -> int:
        known = self._metrics.get((run, name))
        if known is None:
            database.execute("INSERT OR IGNORE INTO metrics (run, name) VALUES (?, ?)", (run, name))
            query = "SELECT metric FROM metrics WHERE run = ? AND name = ?"
            known = int(database.execute(query, (run, name)).fetchone()[0])
            self._metrics[run, name] = known
        return known

    def _series(self, key: str, name: str, steps: tuple[int, int], most_points: int) -> Series:
        query = "SELECT metric FROM metrics JOIN runs USING (run) WHERE key = ? AND name = ?"
        found = self._reader.execute(query, (key, name)).fetchone()
        if found is None:
            return Series(name)
        selected = (found[0], *steps)
        count = int(self._reader.execute(f"SELECT count(*) {_SELECTED}", selected).fetchone()[0])
        if count == 0:
            return Series(name)
        merged = -(-count // most_points)
        rows = self._reader.execute(_POINTS, (*selected, merged)).fetchall()
        starts, times, minimums, maximums = zip(*rows, strict=True)
        return Series(name, starts, times, minimums, maximums, merged, count)

    def _read(self, query: Callable[[], T]) -> T:
        with self._reading, index_faults():
            return query()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._writing, index_faults():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")  # may fail like everything before it: a disk can be full
            except BaseException:
                self._metrics.clear()
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def _connect(self) -> sqlite3.Connection:
        """Open the database; one that cannot be used is replaced by an empty one, which the logs fill again."""
        with contextlib.suppress(sqlite3.DatabaseError):
            return self._opened()
        for path in self._path.parent.glob(f"{self._path.name}*"):
            path.unlink()
        return self._opened()

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
            elif version != VERSION:
                _refuse(version)
        except BaseException:
            database.close()
            raise
        return database


def _refuse(version: int) -> NoReturn:
    message = f"the index is of version {version}, not {VERSION}"
    raise sqlite3.DatabaseError(message)

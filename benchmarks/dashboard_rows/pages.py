"""The dashboard's pages: built, served, and open in a browser."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from benchmarks.serving.processes import REPOSITORY, Served, served
from benchmarks.serving.telemetry import processor_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES: Final = REPOSITORY / "web" / "dashboard"
_BROWSER: Final = REPOSITORY / "benchmarks" / "dashboard_rows" / "page.mjs"
_CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome")
_END_SECONDS: Final = 20


class PageFailed(RuntimeError):
    """The browser did not do what was asked; the message says what it wrote."""


def build() -> None:
    """Build the pages into the server's package, and install what that takes if it is not there."""
    if not (SOURCES / "node_modules" / "vite").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(SOURCES)], check=True, stdout=2)
    subprocess.run(["npm", "run", "build", "--silent", "--prefix", str(SOURCES)], check=True, stdout=2)


@contextlib.contextmanager
def dashboard(folder: Path) -> Iterator[tuple[Served, str]]:
    """Our server with telemetry and its pages, and the address of these, without a slash at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    arguments = ["-m", "catenary_server", "--port", "0", "--port-file", "{port_file}", "--only", "telemetry"]
    arguments += ["--telemetry", str(folder / "runs"), "--dashboard-port", str(port)]
    with served(arguments, folder, "catenary", launched=True) as server:
        yield server, f"http://127.0.0.1:{port}"


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """A page in a browser of its own."""

    process: subprocess.Popen[str]

    def ask(self, **request: object) -> dict[str, Any]:
        """Have `page.mjs` do something, and wait for its answer.

        Raises:
            PageFailed: if it ends instead.
        """
        sent: IO[str] | None = self.process.stdin
        heard: IO[str] | None = self.process.stdout
        if sent is None or heard is None:
            raise PageFailed("the browser has no pipes")
        print(json.dumps(request), file=sent, flush=True)
        line = heard.readline()
        if not line:
            raise PageFailed("the browser ended; what it wrote stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def processor_seconds(self) -> float:
        """Processor time so far of every process of the browser; the program that drives it is none."""
        return sum(processor_seconds(each) for each in _descendants(self.process.pid)[1:])


@contextlib.contextmanager
def opened(url: str) -> Iterator[Page]:
    """A page in a headless Chromium, until the block ends."""
    command = ["node", str(_BROWSER), _chromium(), url]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Page(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _descendants(process_id: int) -> list[int]:
    found = [process_id]
    for parent in found:  # grows while it is walked
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found.extend(int(child) for child in task.read_text().split())
    return found


def _chromium() -> str:
    found = os.environ.get("CATENARY_CHROMIUM") or next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if found is None:
        raise PageFailed("Chromium is needed: install it, or name it in CATENARY_CHROMIUM")
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port

"""Every task of the repository: `nox --list` says what there is.

All sessions share one environment, `.venv`, made on first use from `constraints.txt`; the only thing to install by
hand is nox itself.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["contract", "lint", "types", "imports", "tests"]
nox.options.stop_on_first_error = True

ROOT = Path(__file__).parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
CONSTRAINTS = ROOT / "constraints.txt"
PACKAGES = [
    "python/contract",
    "python/wire",
    "python/scenes",
    "python/recordlog",
    "python/client[telemetry,lightning,export]",
    "python/server[train]",
    "conformance",
    "tools",
]
SOURCES = ["python", "conformance", "tools", "examples", "benchmarks", "chaos", "tests", "conftest.py", "noxfile.py"]
TYPED = [*SOURCES, "--exclude", "python/contract/src"]  # generated code is checked where it is used


@nox.session
def dev(session: nox.Session) -> None:
    """Make `.venv` with every package editable and `catenary` on its path."""
    prepare(session)
    session.log("ready: %s", BIN / "catenary")


@nox.session
def generate(session: nox.Session) -> None:
    """Generate stubs, the contract image and the page of error reasons from proto/, and the page of node types."""
    prepare(session)
    web_packages(session)
    python(session, "-m", "catenary_tools.generation", *session.posargs)
    python(session, "-m", "catenary_tools.nodes_page")


@nox.session
def contract(session: nox.Session) -> None:
    """Check proto/: format, lint, breaking changes (also of behaviour), and that what is generated is up to date."""
    prepare(session)
    web_packages(session)
    python(session, "-m", "catenary_tools.check", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format of the Python sources."""
    prepare(session)
    run(session, "ruff", "check", *SOURCES)
    run(session, "ruff", "format", "--check", *SOURCES)


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    prepare(session)
    run(session, "mypy", *TYPED)


@nox.session
def imports(session: nox.Session) -> None:
    """Check who imports whom."""
    prepare(session)
    run(session, "lint-imports")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, but for the slow ones and those that need an accelerator; arguments go to pytest.

    `nox -s tests -- -m slow` runs the slow ones; `CATENARY_THOROUGH=1` has the random ones try more.
    """
    prepare(session)
    web_packages(session)
    environment = {"OMP_NUM_THREADS": "1"}
    # Files stay whole, so that their fixtures are made once.
    workers = ["-n", os.environ.get("CATENARY_TEST_WORKERS", "2"), "--dist", "loadfile"]
    python(session, "-m", "pytest", *workers, "-m", "not slow and not gpu", *session.posargs, **environment)


@nox.session
def web(session: nox.Session) -> None:
    """Check, test and build the dashboard's pages, so that `catenary serve` shows them; `-- build` does that alone."""
    folder = ROOT / "web" / "dashboard"
    web_packages(session, folder)
    for script in session.posargs or ("check", "test", "build"):
        session.run("npm", "run", script, "--silent", "--prefix", str(folder), external=True)


@nox.session
def e2e(session: nox.Session) -> None:
    """Use every page of the dashboard in a real Chromium, against a real server and a real training.

    Arguments go to vitest; `-- --pictures FOLDER` keeps pictures of the pages, light and dark.
    """
    prepare(session)
    folder = ROOT / "web" / "dashboard"
    web_packages(session, folder)
    session.run("npm", "run", "build", "--silent", "--prefix", str(folder), external=True)
    arguments = list(session.posargs)
    environment = {}
    if "--pictures" in arguments:
        place = arguments.index("--pictures")
        environment["CATENARY_PICTURES"] = str(Path(arguments[place + 1]).absolute())
        del arguments[place : place + 2]
    command = ["npm", "run", "e2e", "--silent", "--prefix", str(folder), "--", *arguments]
    session.run(*command, env=environment, external=True)


@nox.session
def conformance(session: nox.Session) -> None:
    """Test whether a server keeps the contract: `-- --target HOST:PORT` for any, without it our own."""
    prepare(session)
    python(session, "-m", "catenary_conformance", "run", *session.posargs, OMP_NUM_THREADS="1")


@nox.session
def steadiness(session: nox.Session) -> None:
    """How often the conformance suite fails a good server: ours, or `-- HOST:PORT`; also busy and far away."""
    prepare(session)
    python(session, "-m", "catenary_conformance", "steadiness", *session.posargs, OMP_NUM_THREADS="1")


@nox.session
def demo(session: nox.Session) -> None:
    """The main job: serve, train a detector remotely, save, restore, infer, and say how good it is.

    `nox -s demo -- --data FILE.mat` takes a real scene with arrays `data` and `map`.
    """
    prepare(session)
    python(session, "examples/demo.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, side by side with what others do: `nox -s bench -- sessions`."""
    prepare(session)
    python(session, "-m", "benchmarks", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Break things at random moments and check that nothing was lost: `nox -s chaos -- telemetry --seed 7`."""
    prepare(session)
    python(session, "-m", "chaos", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Test the conformance suite: on servers with one seeded fault each; prints how many it catches, and where.

    `nox -s mutants -- --area TEL --json mutants.json` tries those of an area, and goes on from what the file has.
    """
    prepare(session)
    plugins = VENV / "mutants-plugins"
    if not plugins.exists():
        quiet = ["--quiet", "--disable-pip-version-check", "--no-deps"]
        python(session, "-m", "pip", "install", *quiet, "--target", str(plugins), "examples/plugin_ndvi")
    arguments = ["--plugins", str(plugins), *session.posargs]
    python(session, "-m", "catenary_conformance", "mutants", *arguments, OMP_NUM_THREADS="1")


@nox.session
def gpu(session: nox.Session) -> None:
    """Run the tests that need an accelerator."""
    prepare(session)
    python(session, "-m", "pytest", "-m", "gpu", *session.posargs)


def prepare(session: nox.Session) -> None:
    """Make or refresh the shared environment; does nothing while what it is made from stays the same."""
    stamp, wanted = VENV / "prepared", _fingerprint()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if sys.version_info < (3, 11):  # noqa: UP036 - nox itself runs on older ones
        session.error("Catenary needs Python 3.11 or newer; run nox with one")
    if not (BIN / "python").exists():
        session.log("making .venv (once; a few minutes, most of it PyTorch)")
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)  # noqa: S603 - our own interpreter
    install = ["-m", "pip", "install", "-q", "--disable-pip-version-check"]
    python(session, *install, "--upgrade", "pip")
    editables = [argument for package in PACKAGES for argument in ("-e", package)]
    python(session, *install, "-c", str(CONSTRAINTS), "--group", "dev", *editables)
    python(session, "-m", "catenary_tools.third_party")
    stamp.write_text(wanted)


def web_packages(session: nox.Session, folder: Path = ROOT / "web" / "contract") -> None:
    """Install what the lock file of a TypeScript package names, by default the generator of stubs; needs Node.js."""
    marker = folder / "node_modules" / ".package-lock.json"
    if marker.exists() and marker.stat().st_mtime >= (folder / "package-lock.json").stat().st_mtime:
        return
    if shutil.which("npm") is None:
        session.error("the TypeScript sources need Node.js 20 or newer: install it and try again")
    session.run("npm", "ci", "--prefix", str(folder), "--no-audit", "--no-fund", external=True, silent=True)


def python(session: nox.Session, *arguments: str, **environment: str) -> None:
    """Run the environment's Python."""
    run(session, "python", *arguments, **environment)


def run(session: nox.Session, program: str, *arguments: str, **environment: str) -> None:
    """Run a program of the environment, with its folder first on the path."""
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
    session.run(str(BIN / program), *arguments, env={"PATH": path, **environment}, external=True)


def _fingerprint() -> str:
    files = [
        CONSTRAINTS,
        ROOT / "pyproject.toml",
        *sorted(ROOT.glob("python/*/pyproject.toml")),
        ROOT / "conformance/pyproject.toml",
        ROOT / "tools/pyproject.toml",
    ]
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()

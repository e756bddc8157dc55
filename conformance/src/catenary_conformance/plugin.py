"""The pytest plugin: `pytest --pyargs catenary_conformance.cases --target HOST:PORT`.

Without `--target` it does nothing but register its options and marks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catenary_conformance.requirement import MARKERS

if TYPE_CHECKING:
    from catenary_conformance.collecting import Collector
    from catenary_conformance.run import Plan, Run
    from catenary_conformance.target import Settings

RUN: pytest.StashKey[Run] = pytest.StashKey()
"""Where the run is, on the configuration of pytest."""
COLLECTOR: pytest.StashKey[Collector] = pytest.StashKey()
"""Where the results are."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the run."""
    group = parser.getgroup("conformance", "conformance with the Catenary contract")
    group.addoption("--target", metavar="HOST:PORT", help="server to test")
    group.addoption("--tls", action="store_true", help="encrypt; trust whom the system does")
    group.addoption("--tls-ca", metavar="FILE", type=Path, help="encrypt; trust the authority in this file (PEM)")
    group.addoption("--tls-server-name", metavar="NAME", default="", help="name in the server's certificate")
    group.addoption("--tls-cert", metavar="FILE", type=Path, help="own certificate (PEM); with --tls-key")
    group.addoption("--tls-key", metavar="FILE", type=Path, help="key of --tls-cert (PEM)")
    group.addoption("--token", metavar="TOKEN", default="", help="token that has every scope")
    group.addoption("--second-token", metavar="TOKEN", default="", help="such a token of another principal")
    group.addoption("--low-token", metavar="TOKEN", default="", help="token with the scope discovery.read alone")
    group.addoption("--service-alias", metavar="NAME", default="", help="service that has all RPCs of catenary.v1")
    group.addoption("--profile", default="", help="core, train, infer, telemetry or full; by default what is claimed")
    group.addoption("--budget", metavar="SECONDS", type=float, default=60.0, help="when slow and random cases stop")
    group.addoption("--time-factor", metavar="F", type=float, default=1.0, help="what every deadline is multiplied by")
    group.addoption("--seed", metavar="N", type=int, default=0, help="seed of everything drawn at random")
    group.addoption(
        "--trainrun", metavar="NAME", default="", help="train run with losses; by default one that is listed"
    )
    group.addoption("--plugin", metavar="NAME", default="", help="plugin that sessions of the target may load")
    group.addoption("--near", metavar="unix:PATH", default="", help="Unix socket of the target, for shared memory")
    group.addoption(
        "--only", metavar="WHAT", action="append", default=[], help="requirement id, area, or part of a case's name"
    )
    group.addoption("--known-failing", metavar="FILE", type=Path, help="list of known failures (TOML)")
    group.addoption("--report", metavar="FOLDER", type=Path, help="write report, pages, badge and transcripts here")
    group.addoption("--destructive", action="store_true", help="also what can take the target down or fill it up")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks; with a target, prepare the run."""
    for text in MARKERS:
        config.addinivalue_line("markers", text)
    if config.getoption("--target") and not hasattr(config, "workerinput"):
        _prepare(config)


def _prepare(config: pytest.Config) -> None:
    # Here, since most runs of pytest need none of it.
    from catenary_conformance.collecting import Collector  # noqa: PLC0415
    from catenary_conformance.execution import Execution  # noqa: PLC0415
    from catenary_conformance.known_failing import KnownFailures, KnownFailuresError  # noqa: PLC0415
    from catenary_conformance.run import Run  # noqa: PLC0415

    try:
        known = KnownFailures.read(config.getoption("--known-failing"))
    except KnownFailuresError as error:
        raise pytest.UsageError(str(error)) from error
    run = Run(_settings(config), _plan(config))
    collector = Collector(run, known)
    config.stash[RUN] = run
    config.stash[COLLECTOR] = collector
    config.pluginmanager.register(collector, "conformance-collector")
    config.pluginmanager.register(Execution(run), "conformance-execution")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report, if a folder is named."""
    folder, run = session.config.getoption("--report"), session.config.stash.get(RUN, None)
    if folder is None or run is None:
        return
    from catenary_conformance.conclusion import concluded  # noqa: PLC0415 - as above
    from catenary_conformance.findings import findings_of  # noqa: PLC0415
    from catenary_conformance.report.writing import write  # noqa: PLC0415

    run.finish()
    collector = session.config.stash[COLLECTOR]
    conclusion = concluded(run.contract, findings_of(run, collector.results, collector.known_digest))
    write(folder, run.contract, conclusion.report, conclusion.cases)


def _settings(config: pytest.Config) -> Settings:
    from catenary_conformance.target import Settings  # noqa: PLC0415

    return Settings(
        address=config.getoption("--target"),
        tls=config.getoption("--tls"),
        tls_ca=config.getoption("--tls-ca"),
        tls_server_name=config.getoption("--tls-server-name"),
        tls_cert=config.getoption("--tls-cert"),
        tls_key=config.getoption("--tls-key"),
        token=config.getoption("--token"),
        second_token=config.getoption("--second-token"),
        low_token=config.getoption("--low-token"),
        service_alias=config.getoption("--service-alias"),
        near=config.getoption("--near"),
        time_factor=config.getoption("--time-factor"),
    )


def _plan(config: pytest.Config) -> Plan:
    from catenary_conformance.run import Plan  # noqa: PLC0415

    return Plan(
        profile=config.getoption("--profile"),
        budget=config.getoption("--budget"),
        seed=config.getoption("--seed"),
        destructive=config.getoption("--destructive"),
        plugin=config.getoption("--plugin"),
        near=config.getoption("--near"),
        only=tuple(config.getoption("--only")),
    )

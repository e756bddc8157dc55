"""Faults of measuring nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import accepts, after, answers, drop, drop_last, hears, put, where
from catenary_conformance.faulty.elements import perturb_outputs
from catenary_conformance.faulty.exchange import answered
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.pipelines import TWO_NODES
from catenary_conformance.faulty.stand import definition, pixels

if TYPE_CHECKING:
    from catenary_conformance.faulty.exchange import Answer, Exchange, Fields, Forward, Status
    from catenary_conformance.faulty.stand import Stand

_INFERENCE, _TRAIN = 4, 1


def turned_off_only_in_words(exchange: Exchange, _: Forward) -> Answer:
    """Measuring is said to be off, and goes on."""
    response = exchange.response()
    response.profiling_enabled = False
    return answered(response)


def measured_differs(exchange: Exchange, forward: Forward) -> Answer:
    """A session that is being measured gives other outputs."""
    measured = exchange.memory.take("measured", set())
    if exchange.method == path("SetProfiling"):
        return after(lambda _, request, status: _note(measured, request, status))(exchange, forward)
    if exchange.first().session_id in measured:
        return answers(perturb_outputs)(exchange, forward)
    return forward(exchange)


def _note(measured: set[str], request: Fields, status: Status) -> None:
    if not status.code and request.enabled:
        measured.add(request.session_id)


def backwards(response: Fields) -> None:
    """The last node comes first."""
    entries = list(reversed(response.node_stats))
    kept = [type(each).FromString(each.SerializeToString()) for each in entries]
    del response.node_stats[:]
    response.node_stats.extend(kept)


def shortest_above_longest(response: Fields) -> None:
    """The shortest call took longer than the longest."""
    for each in response.node_stats:
        each.min_ms = each.max_ms + 1


# Witnesses.


def measured(stand: Stand) -> object:
    """What is measured: at first, when it is off, when it is forgotten and a warm-up left out; and the outputs."""
    session, told = stand.session(), list[object]()
    stand.direct("LoadPipeline", session_id=session, pipeline=definition(TWO_NODES))
    steps: list[dict[str, object]] = [
        {"enabled": True},
        {"enabled": False},
        {"enabled": True, "reset": True, "skip_first_n": 2},
    ]
    for step in steps:
        answer = stand.call("SetProfiling", session_id=session, **step).answer
        outputs = [stand.call("Inference", session_id=session, inputs=pixels()).answer.outputs for _ in range(3)]
        told.append((answer.profiling_enabled, _summary(stand, session), outputs[0]["range.normalized"].raw_data))
    return told


def _summary(stand: Stand, session: str, **fields: object) -> object:
    entries = stand.call("GetProfilingSummary", session_id=session, **fields).answer.node_stats
    return [(each.node_name, each.stage, each.count, each.min_ms <= each.median_ms <= each.max_ms) for each in entries]


def by_stage(stand: Stand) -> object:
    session = stand.configured("rx")
    stand.call("SetProfiling", session_id=session, enabled=True)
    stand.direct("Train", session_id=session, trainer_type=1)
    return _summary(stand, session, stage=_TRAIN), _summary(stand, session, stage=_INFERENCE)


def without_pipeline(stand: Stand) -> object:
    session = stand.session()
    return stand.call("SetProfiling", session_id=session, enabled=True).outcome


MUTANTS = (
    mutant(
        "PRF-001",
        "off-only-in-words",
        "SetProfiling",
        "Measuring goes on when it was turned off.",
        where(
            lambda request: request.session_id and not request.enabled and not request.reset, turned_off_only_in_words
        ),
        measured,
    ),
    mutant(
        "PRF-001",
        "off-forgets",
        "SetProfiling",
        "Turning it off forgets what was measured.",
        hears(lambda request: request.enabled or put("reset", True)(request)),
        measured,
    ),
    mutant(
        "PRF-002",
        "never-forgets",
        "SetProfiling",
        "What was measured stays when it was to be forgotten.",
        hears(drop("reset")),
        measured,
    ),
    mutant(
        "PRF-003",
        "measures-the-warm-up",
        "SetProfiling",
        "The first calls are measured although they are to be left out.",
        hears(lambda request: 0 <= request.skip_first_n <= 1000000 and drop("skip_first_n")(request)),
        measured,
    ),
    mutant(
        "PRF-004",
        "always-on",
        "SetProfiling",
        "The answer says that nodes are measured when they are not.",
        answers(put("profiling_enabled", True)),
        measured,
    ),
    mutant(
        "PRF-005",
        "measured-differs",
        ["SetProfiling", "Inference"],
        "A session that is measured gives other outputs.",
        measured_differs,
        measured,
    ),
    mutant(
        "PRF-006",
        "measures-nothing",
        "SetProfiling",
        "Measuring a session without a pipeline succeeds.",
        accepts("STATE_INVALID"),
        without_pipeline,
    ),
    mutant(
        "PRF-007",
        "backwards",
        "GetProfilingSummary",
        "Nodes come in another order than that of the graph.",
        answers(backwards),
        measured,
    ),
    mutant(
        "PRF-007",
        "forgets-a-node",
        "GetProfilingSummary",
        "The last node is left out.",
        answers(drop_last("node_stats")),
        measured,
    ),
    mutant(
        "PRF-008",
        "all-stages",
        "GetProfilingSummary",
        "Entries of every stage are given, whichever is asked for.",
        hears(lambda request: request.stage in (1, 2, 3, 4) and drop("stage")(request)),
        by_stage,
    ),
    mutant(
        "PRF-009",
        "shortest-above-longest",
        "GetProfilingSummary",
        "The shortest call took longer than the longest.",
        answers(shortest_above_longest),
        measured,
    ),
)

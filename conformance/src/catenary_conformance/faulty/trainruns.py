"""Faults of train runs that are saved and restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import after, answers, drop, hears, put, request_for
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.stand import cube, nonce

if TYPE_CHECKING:
    from catenary_conformance.faulty.exchange import Exchange, Fields, Status
    from catenary_conformance.faulty.stand import Stand


def saves_anyway(exchange: Exchange, request: Fields, status: Status) -> None:
    """What is refused since it must not exist is written nevertheless."""
    if status.reason == "ARTIFACT_EXISTS":
        again = exchange.decoded(request.SerializeToString())
        again.must_not_exist, again.request_id = False, ""
        exchange.call(exchange.method, again)


def leaves_a_session(exchange: Exchange, _: Fields, status: Status) -> None:
    """A restore that fails makes a session."""
    if status.code:
        exchange.call(path("CreateSession"), request_for(path("CreateSession")))


# Witnesses.


def saved(stand: Stand) -> object:
    """What is said of saving over a file that must not exist, and what the file restores to."""
    name, first, second = nonce(), stand.fitted("rx"), stand.fitted("rx", "name=other")
    stand.call("SaveTrainRun", session_id=first, trainrun_path=name, save_weights=True)
    refused = stand.call("SaveTrainRun", session_id=second, trainrun_path=name, must_not_exist=True).outcome
    restored = stand.direct("RestoreTrainRun", trainrun_path=name).answer
    inferred = stand.direct("Inference", session_id=restored.session_id, inputs={"cube": cube()}).outcome
    return refused, restored.weights_restored, inferred, b'"name":"other"' in restored.trainrun.config_bytes


def restored(stand: Stand) -> object:
    """Where train runs are restored to: a named session, a new one, the same again, and none."""
    session, name, request_id = stand.fitted("rx"), nonce(), nonce()
    stand.direct("SaveTrainRun", session_id=session, trainrun_path=name, save_weights=True)
    stand.direct("SaveTrainRun", session_id=session, trainrun_path=f"{name}-bare")
    into = stand.session()
    named = stand.call("RestoreTrainRun", trainrun_path=name, session_id=into).answer
    first, again = (stand.call("RestoreTrainRun", trainrun_path=name, request_id=request_id).answer for _ in range(2))
    bare = stand.call("RestoreTrainRun", trainrun_path=f"{name}-bare").answer
    count = len(stand.direct("ListSessions").answer.sessions)
    missing = stand.call("RestoreTrainRun", trainrun_path="nothing").outcome
    weights = [(each.weights_restored, bool(each.resolved_weights_path)) for each in (named, bare)]
    left = len(stand.direct("ListSessions").answer.sessions) - count
    return named.session_id == into, first.session_id == again.session_id, weights, missing, left


MUTANTS = (
    mutant(
        "TRN-024",
        "forgets-weights",
        "SaveTrainRun",
        "Weights that are to be saved are not.",
        hears(drop("save_weights")),
        saved,
    ),
    mutant(
        "TRN-025",
        "saves-anyway",
        "SaveTrainRun",
        "A save that is refused replaces the file.",
        after(saves_anyway),
        saved,
    ),
    mutant(
        "TRN-039",
        "saves-over-anything",
        "SaveTrainRun",
        "A file that must not exist is replaced.",
        hears(drop("must_not_exist")),
        saved,
    ),
    mutant(
        "TRN-026",
        "always-a-new-session",
        "RestoreTrainRun",
        "A restore makes a new session although one is named.",
        hears(drop("session_id")),
        restored,
    ),
    mutant(
        "TRN-027",
        "leaves-a-session",
        "RestoreTrainRun",
        "A restore that fails makes a session.",
        after(leaves_a_session),
        restored,
    ),
    mutant(
        "TRN-040",
        "deaf-to-request-ids",
        "RestoreTrainRun",
        "A request_id that was used restores again.",
        hears(drop("request_id")),
        restored,
    ),
    mutant(
        "TRN-041",
        "always-with-weights",
        "RestoreTrainRun",
        "Weights are said to be restored when there were none.",
        answers(put("weights_restored", True)),
        restored,
    ),
    mutant(
        "TRN-041",
        "does-not-say-which-file",
        "RestoreTrainRun",
        "The file of the weights that were restored is not told.",
        answers(drop("resolved_weights_path")),
        restored,
    ),
)

"""What faults are made of, around an answer that a test makes up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1 import session_requests_pb2 as requests
from catenary.v1.session_pb2 import Session
from catenary_conformance.faulty import behaviours as made_of
from catenary_conformance.faulty.exchange import Answer, Exchange, Memory, Status, answered, ended, refusal, refused
from catenary_conformance.faulty.messages import path

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from catenary_conformance.faulty.exchange import Behaviour

GET, CREATE, LIST = path("GetSession"), path("CreateSession"), path("ListSessions")
NOT_FOUND = refusal(5, "SESSION_NOT_FOUND")


class Server:
    """Answers each call with the same, and keeps what it heard."""

    def __init__(self, answer: Status | Message) -> None:
        self._answer = answer
        self.heard: list[bytes] = []

    def __call__(self, exchange: Exchange) -> Answer:
        self.heard += exchange.requests
        return refused(self._answer) if isinstance(self._answer, Status) else answered(self._answer)


def call(behaviour: Behaviour, server: Server, *sent: bytes, method: str = GET, memory: Memory | None = None) -> Answer:
    exchange = Exchange(method, iter(sent), (), None, memory or Memory(), server)
    return behaviour(exchange, server)


def test_a_refusal_is_accepted_for_its_reason_only() -> None:
    contents, status = ended(call(made_of.accepts("SESSION_NOT_FOUND"), Server(NOT_FOUND)))
    assert (contents, status.code) == ([b""], 0)
    _, status = ended(call(made_of.accepts("RUN_NOT_FOUND"), Server(NOT_FOUND)))
    assert status == NOT_FOUND


def test_a_refusal_is_told_as_another() -> None:
    instead = made_of.invalid(field_path="session_id")
    _, status = ended(call(made_of.says("SESSION_NOT_FOUND", instead=instead), Server(NOT_FOUND)))
    assert (status.code, status.reason, status.fields) == (3, "FIELD_INVALID", ["session_id"])


def test_answers_are_edited_and_the_status_stays() -> None:
    server = Server(requests.CreateSessionResponse(session_id="s", session=Session(device="cpu", run_id="r")))
    edit = made_of.edits(made_of.put("session.device", "cuda"), made_of.drop("session.run_id"))
    contents, status = ended(call(made_of.answers(edit), server, method=CREATE))
    assert status == Status()
    assert requests.CreateSessionResponse.FromString(contents[0]).session.device == "cuda"
    assert not requests.CreateSessionResponse.FromString(contents[0]).session.run_id


def test_what_is_not_set_is_not_put() -> None:
    server = Server(requests.CreateSessionResponse(session_id="s"))
    contents, _ = ended(call(made_of.answers(made_of.put("session.device", "cuda")), server, method=CREATE))
    assert not requests.CreateSessionResponse.FromString(contents[0]).HasField("session")


def test_a_list_loses_its_last_entry() -> None:
    server = Server(requests.ListSessionsResponse(sessions=[Session(session_id="a"), Session(session_id="b")]))
    contents, _ = ended(call(made_of.answers(made_of.drop_last("sessions")), server, method=LIST))
    assert [each.session_id for each in requests.ListSessionsResponse.FromString(contents[0]).sessions] == ["a"]


def test_requests_are_edited_and_nonsense_passes_as_it_is() -> None:
    server = Server(requests.GetSessionResponse())
    nonsense = b"\x0a\x7f"
    good = requests.GetSessionRequest(session_id="a").SerializeToString()
    ended(call(made_of.hears(made_of.put("session_id", "b")), server, good, nonsense))
    assert server.heard == [requests.GetSessionRequest(session_id="b").SerializeToString(), nonsense]


def test_the_first_request_can_be_looked_at_and_still_arrives() -> None:
    server = Server(requests.GetSessionResponse())
    good = requests.GetSessionRequest(session_id="a").SerializeToString()
    ended(call(made_of.where(lambda request: request.session_id == "b", made_of.refuses(NOT_FOUND)), server, good))
    assert server.heard == [good]
    other = requests.GetSessionRequest(session_id="b").SerializeToString()
    _, status = ended(call(made_of.refuses(NOT_FOUND, when=lambda request: request.session_id == "b"), server, other))
    assert (status, server.heard) == (NOT_FOUND, [good])


def test_an_answer_is_given_again_for_the_same_key() -> None:
    server, memory = Server(requests.GetSessionResponse(session=Session(session_id="a"))), Memory()
    behaviour = made_of.replays(lambda request: request.session_id or None)
    good = requests.GetSessionRequest(session_id="a").SerializeToString()
    told = [ended(call(behaviour, server, good, memory=memory)) for _ in range(2)]
    assert told[0] == told[1]
    assert len(server.heard) == 1
    ended(call(behaviour, server, b"", memory=memory))
    assert len(server.heard) == 2


def test_a_step_after_a_call_comes_before_the_client_hears_its_end() -> None:
    server, steps = Server(requests.GetSessionResponse()), list[str]()
    behaviour = made_of.after(lambda _, request, status: steps.append(f"{request.session_id} {status.code}"))
    answer = call(behaviour, server, requests.GetSessionRequest(session_id="a").SerializeToString())
    assert next(answer.messages) == b""
    assert steps == ["a 0"]


def test_what_was_put_off_is_not_done_once_the_fault_is_gone() -> None:
    memory, done = Memory(), list[int]()
    memory.later(60, lambda: done.append(1))
    memory.close()
    assert done == []


def test_a_fault_counts_and_keeps() -> None:
    memory = Memory()
    assert [memory.count("a"), memory.count("a"), memory.count("b")] == [1, 2, 1]
    assert memory.take("kept", []) is memory.take("kept", [1])
    assert memory.get("nothing") is None

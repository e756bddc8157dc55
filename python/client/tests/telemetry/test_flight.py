from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from catenary_client.telemetry.flight import Flight, Released, Sent
from catenary_client.telemetry.messages import Outgoing
from catenary_client.telemetry.records import Kind


def small(*, count: int = 0, batch_index: int = -1) -> Outgoing:
    return Outgoing(Kind.GAP if count else Kind.EVENT, (b"12345",), count=count, batch_index=batch_index)


def images() -> Outgoing:
    return Outgoing(Kind.IMAGES, (b"1" * 100,), image_count=1)


def sequences(flight: Flight) -> list[int]:
    return [sent.sequence for sent in flight]


def room(flight: Flight, *, with_images: bool = True) -> bool:
    return flight.has_room(images=with_images, most_messages=1000, most_bytes=1000)


def test_sequences_rise_by_one_and_a_gap_takes_one_for_each_it_stands_for() -> None:
    flight = Flight(4)
    given_out = [flight.assign(message) for message in (small(), small(count=3), small())]
    assert [(sent.sequence, sent.last_sequence) for sent in given_out] == [(1, 1), (2, 4), (5, 5)]


def test_the_window_of_images_opens_when_they_arrive() -> None:
    flight = Flight(2)
    for _ in range(2):
        assert room(flight)
        flight.assign(images())
    assert not room(flight)
    assert room(flight, with_images=False)
    flight.received(1)
    assert room(flight)


def test_bytes_that_are_not_durable_hold_images_back() -> None:
    flight = Flight(100)
    for _ in range(10):
        flight.assign(images())
    flight.received(10)
    assert not room(flight)
    flight.durable(5)
    assert room(flight)
    assert flight.unacknowledged_bytes == 500


def test_a_credit_of_bytes_holds_images_back() -> None:
    flight = Flight(100)
    flight.byte_window = 150
    flight.assign(images())
    assert room(flight)
    flight.assign(images())
    assert not room(flight)


def test_a_new_stream_sends_again_what_is_not_durable_with_the_same_numbers() -> None:
    flight = Flight(4)
    for number in range(1, 7):
        flight.assign(small(), small_number=number)
    flight.received(5)
    flight.durable(2)
    assert flight.restart(4) == Released(small=3, images=0)
    assert [flight.resend().sequence for _ in range(3)] == [4, 5, 6]
    assert flight.waiting is None
    assert flight.assign(small()).sequence == 7


def test_a_server_that_lost_what_it_had_gets_the_rest_from_where_it_stands() -> None:
    flight = Flight(4)
    for _ in range(4):
        flight.assign(small())
    flight.durable(2)
    flight.restart(1)
    assert sequences(flight) == [1, 2]
    assert flight.next_sequence == 3


def test_a_writer_that_comes_back_without_memory_goes_on_where_the_server_stands() -> None:
    flight = Flight(4)
    flight.restart(50)
    assert flight.assign(small()).sequence == 50


def test_what_an_earlier_process_sent_comes_first() -> None:
    flight = Flight(4)
    for sequence in (7, 8, 9):
        flight.restore(Sent(sequence, small(), size=5))
    flight.restart(8)
    assert sequences(flight) == [8, 9]
    assert flight.next_sequence == 10


def test_a_server_without_sequences_takes_everything_before_the_batch_that_it_names() -> None:
    flight = Flight(4)
    for index in (-1, 0, -1, 1, -1):
        flight.assign(small(batch_index=index))
    flight.release_unanswered()
    assert sequences(flight) == [2, 3, 4, 5]
    flight.batch_taken(0)
    flight.release_unanswered()
    assert sequences(flight) == [4, 5]
    flight.batch_taken(99)
    assert sequences(flight) == [4, 5]


@given(st.lists(st.tuples(st.sampled_from(["assign", "received", "durable", "restart"]), st.integers(0, 60))))
def test_whatever_happens_what_is_not_durable_is_kept_in_order(actions: list[tuple[str, int]]) -> None:
    flight, arrived, safe, given_out = Flight(4), 0, 0, 0
    for action, number in actions:
        on_the_way = given_out if flight.waiting is None else flight.waiting.sequence - 1
        if action == "assign" and flight.waiting is None:
            given_out = flight.assign(small()).sequence
        elif action == "assign":
            flight.resend()
        elif action == "received":
            arrived = max(arrived, min(number, on_the_way))
            flight.received(arrived)
        elif action == "durable":
            safe = max(safe, min(number, arrived))
            flight.durable(safe)
        else:
            arrived = safe
            flight.restart(safe + 1)
        assert sequences(flight) == list(range(safe + 1, given_out + 1))
        assert flight.unacknowledged_bytes == 5 * (given_out - safe)

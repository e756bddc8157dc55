"""Every case is dealt once, and those that must run alone run when nothing else does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from catenary_conformance.lanes.dealing import Dealer
from catenary_conformance.lanes.messages import Group


class Table:
    """Lanes that ask for groups, as a test tells them to."""

    def __init__(self, groups: list[Group], lanes: int) -> None:
        self.dealer = Dealer(groups, lanes)
        self.held: dict[int, Group | None] = dict.fromkeys(range(lanes))
        self.asking: set[int] = set()
        self.ended: set[int] = set()
        self.dealt: list[Group] = []

    def ask(self, lane: int) -> None:
        self.held[lane] = None
        self.asking.add(lane)
        for told, group in list(self.dealer.asked(lane)):
            self.tell(told, group)

    def leave(self, lane: int) -> None:
        self.held[lane] = None
        self.asking.discard(lane)
        self.ended.add(lane)
        for told, group in list(self.dealer.left(lane)):
            self.tell(told, group)

    def tell(self, lane: int, group: Group | None) -> None:
        assert lane in self.asking, "a lane is told that does not ask"
        self.asking.remove(lane)
        if group is None:
            self.ended.add(lane)
            return
        self.held[lane] = group
        self.dealt.append(group)
        others = [each for each in self.held.values() if each is not None]
        assert not any(each.alone for each in others) or len(others) == 1, "something runs beside what must run alone"


@given(alone=st.lists(st.booleans(), max_size=12), lanes=st.integers(1, 4), data=st.data())
def test_every_group_is_dealt_once_to_lanes_that_ask_in_any_order(
    alone: list[bool], lanes: int, data: st.DataObject
) -> None:
    groups = [Group(number, number + 1, each) for number, each in enumerate(alone)]
    table = Table(groups, lanes)
    while len(table.ended) < lanes:
        able = sorted(set(range(lanes)) - table.asking - table.ended)
        assert able, "every lane waits"
        table.ask(data.draw(st.sampled_from(able)))
    assert sorted(table.dealt, key=lambda each: each.start) == groups


def test_what_a_lost_lane_leaves_is_dealt_to_the_others() -> None:
    table = Table([Group(0, 1, alone=False), Group(1, 2, alone=False), Group(2, 3, alone=True)], 2)
    table.ask(0)
    table.ask(1)
    table.ask(1)
    assert table.asking == {1}, "what must run alone has to wait for lane 0"
    table.leave(0)
    assert table.held[1] == Group(2, 3, alone=True)
    table.ask(1)
    assert table.ended == {0, 1}

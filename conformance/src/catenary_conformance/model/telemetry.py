"""What a run of telemetry holds, as far as the contract says: pure, and without a server."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass
class RunModel:
    """The log of a run, seen by its writer.

    Attributes:
        said: index of the batch of each number, in the order of the numbers; None for one that was refused.
        dropped: messages that the writer said it dropped.
        durable: last number that was acknowledged as durable.
    """

    said: dict[int, int | None] = dataclasses.field(default_factory=dict)
    dropped: int = 0
    durable: int = 0

    @property
    def last(self) -> int:
        """The last number that was given."""
        return max(self.said, default=0)

    @property
    def next(self) -> int:
        """The number that comes next."""
        return self.last + 1

    def say(self, index: int) -> int:
        """Give a batch a number, and return it."""
        number = self.next
        self.said[number] = index
        return number

    def refuse(self) -> int:
        """Give a number to a message that is refused in band: it counts as received, and nothing is stored."""
        number = self.next
        self.said[number] = None
        return number

    def drop(self, count: int) -> tuple[int, int]:
        """Give numbers to messages that will never come; the first and the last of them."""
        first, last = self.next, self.next + count - 1
        self.said.update(dict.fromkeys(range(first, last + 1)))
        self.dropped += count
        return first, last

    def resumes_at(self, number: int) -> bool:
        """Whether a server that kept its word can ask for this number: nothing durable comes again."""
        return self.durable < number <= self.next

    @property
    def stored(self) -> list[int]:
        """The batches that the log has in the end, in order."""
        return [index for _, index in sorted(self.said.items()) if index is not None]

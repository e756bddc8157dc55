from __future__ import annotations

import pytest

from catenary_server.domain.assembly import MAX_PIECE_BYTES, MIN_PIECE_BYTES, Assembly, Piece
from catenary_server.domain.failure import Failure, Reason


def assembly(*sizes: int) -> tuple[Assembly, list[bytearray]]:
    memory = [bytearray(size) for size in sizes]
    return Assembly([f"t{index}" for index in range(len(sizes))], [memoryview(each) for each in memory]), memory


def piece(tensor: int, offset: int, size: int, value: int = 7) -> Piece:
    return Piece(tensor, offset, memoryview(bytes([value]) * size))


def test_pieces_of_several_tensors_land_where_they_belong() -> None:
    parts, memory = assembly(MIN_PIECE_BYTES + 3, 5)
    parts.take(piece(0, 0, MIN_PIECE_BYTES, 1))
    parts.take(piece(0, MIN_PIECE_BYTES, 3, 2))
    parts.take(piece(1, 0, 5, 3))
    parts.finish()
    assert memory == [b"\x01" * MIN_PIECE_BYTES + b"\x02" * 3, b"\x03" * 5]


def test_empty_tensors_need_no_piece() -> None:
    parts, _ = assembly(0, 4, 0, 0)
    parts.take(piece(1, 0, 4))
    parts.finish()
    assembly(0, 0)[0].finish()


@pytest.mark.parametrize(
    ("tensor", "offset", "size"),
    [
        (1, 0, 5),
        (0, 1, MIN_PIECE_BYTES),
        (0, 0, MIN_PIECE_BYTES - 1),
        (0, 0, 0),
        (0, 0, MAX_PIECE_BYTES + 1),
    ],
)
def test_a_piece_out_of_turn_or_of_wrong_length_is_refused(tensor: int, offset: int, size: int) -> None:
    parts, memory = assembly(2 * MAX_PIECE_BYTES, 5)
    with pytest.raises(Failure) as caught:
        parts.take(piece(tensor, offset, size))
    assert caught.value.reason is Reason.FIELD_INVALID
    assert not any(memory[0])


def test_bytes_beyond_the_end_are_too_many() -> None:
    parts, _ = assembly(4)
    with pytest.raises(Failure) as caught:
        parts.take(piece(0, 0, 5))
    assert caught.value.reason is Reason.TENSOR_SIZE_MISMATCH
    parts.take(piece(0, 0, 4))
    with pytest.raises(Failure) as caught:
        parts.take(piece(1, 0, 1))
    assert caught.value.reason is Reason.TENSOR_SIZE_MISMATCH


def test_an_end_before_all_bytes_names_the_tensor_that_lacks_them() -> None:
    parts, _ = assembly(4, MIN_PIECE_BYTES + 1)
    parts.take(piece(0, 0, 4))
    parts.take(piece(1, 0, MIN_PIECE_BYTES))
    with pytest.raises(Failure, match="'t1'") as caught:
        parts.finish()
    assert caught.value.reason is Reason.TENSOR_SIZE_MISMATCH

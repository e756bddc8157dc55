import ast
import struct

import pytest

from catenary.v1.inference_requests_pb2 import InferenceChunkedResponse
from catenary.v1.tensor_pb2 import D_TYPE_FLOAT32, D_TYPE_UINT16, Tensor, TensorSpec
from catenary_conformance import chunked, tensors
from catenary_conformance.workload import BANDS, COLUMNS, ROWS, fitting


def test_a_tensor_of_noise_has_its_size_and_repeats_with_its_seed() -> None:
    one, again, other = (tensors.float_tensor([2, 3], seed=seed) for seed in (1, 1, 2))
    assert len(one.raw_data) == tensors.size_bytes(one) == 24
    assert one == again
    assert one != other
    assert all(0.1 <= value < 1.1 for (value,) in struct.iter_unpack("<f", one.raw_data))


def test_zeros_have_the_size_of_their_type() -> None:
    assert tensors.zeros([5], D_TYPE_UINT16).raw_data == bytes(10)


def test_an_npy_file_says_what_it_holds() -> None:
    file = tensors.npy_file((2, 3, 4), bytes(96))
    (length,) = struct.unpack("<H", file[8:10])
    header = ast.literal_eval(file[10 : 10 + length].decode())
    assert header == {"descr": "<f4", "fortran_order": False, "shape": (2, 3, 4)}
    assert (10 + length) % 64 == 0
    assert len(file) == 10 + length + 96


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("cube", [-1, -1, -1, -1], [1, ROWS, COLUMNS, BANDS]),
        ("cube", [-1, -1, -1, 7], [1, ROWS, COLUMNS, 7]),
        ("data", [-1, -1, -1, -1], [1, ROWS, COLUMNS, BANDS]),
        ("other", [-1, 3], [2, 3]),
        ("scalar", [], []),
    ],
)
def test_a_tensor_fits_its_specification(name: str, shape: list[int], expected: list[int]) -> None:
    tensor = fitting(TensorSpec(name=name, shape=shape, dtype=D_TYPE_FLOAT32))
    assert list(tensor.shape) == expected
    assert len(tensor.raw_data) == tensors.size_bytes(tensor)


def _response(index: int, offset: int, data: bytes) -> InferenceChunkedResponse:
    message = InferenceChunkedResponse()
    message.chunk.tensor_index, message.chunk.byte_offset, message.chunk.data = index, offset, data
    return message


def _header(**outputs: Tensor) -> InferenceChunkedResponse:
    message = InferenceChunkedResponse()
    message.header.tensors.extend(chunked.tensor_header(name, tensor) for name, tensor in outputs.items())
    return message


def test_pieces_are_put_together() -> None:
    one, two = tensors.float_tensor([3]), tensors.float_tensor([1 << 18, 2])
    pieces = [_response(0, 0, one.raw_data)]
    pieces += [_response(1, at, two.raw_data[at : at + (1 << 20)]) for at in range(0, len(two.raw_data), 1 << 20)]
    assert chunked.assembled([_header(one=one, two=two), *pieces]) == {"one": one, "two": two}


def test_pieces_that_leave_a_gap_or_come_in_another_order_are_found() -> None:
    one, two = tensors.float_tensor([3]), tensors.float_tensor([3])
    header, first, second = _header(one=one, two=two), _response(0, 0, one.raw_data), _response(1, 0, two.raw_data)
    wrong = (
        [first, second],
        [header, second, first],
        [header, first],
        [header, first, header, second],
        [header, _response(0, 4, one.raw_data), second],
        [header, _response(0, 0, one.raw_data[:4]), _response(0, 4, one.raw_data[4:]), second],
    )
    for responses in wrong:
        with pytest.raises(AssertionError):
            chunked.assembled(responses)


def test_what_is_cut_comes_together_again() -> None:
    whole = {"cube": tensors.float_tensor([1 << 19])}
    pieces = list(chunked.chunks(whole))
    assert [len(each.chunk.data) for each in pieces] == [1 << 20, 1 << 20]
    assert b"".join(each.chunk.data for each in pieces) == whole["cube"].raw_data

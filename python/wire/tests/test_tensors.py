from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from catenary.v1 import tensor_pb2
from catenary.v1.tensor_pb2 import D_TYPE_BOOL, D_TYPE_FLOAT32, D_TYPE_FLOAT64, D_TYPE_UINT8, DType, ShmRef, Tensor
from catenary_wire.tensors import dtype_number, numpy_dtype, to_numpy, to_proto

TYPES = ["float32", "float64", "int32", "int64", "uint8", "bool", "float16", "uint16"]


@given(
    array=st.sampled_from(TYPES).flatmap(
        lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    )
)
def test_an_array_comes_back_as_it_was_sent(array: np.ndarray[Any, np.dtype[Any]]) -> None:
    received = to_numpy(to_proto(array))
    assert received.dtype == array.dtype
    assert received.shape == array.shape
    assert received.tobytes() == array.tobytes()


@pytest.mark.parametrize("number", [number for number in DType.values() if number != tensor_pb2.D_TYPE_UNSPECIFIED])
def test_every_element_type_of_the_contract_has_a_numpy_type(number: DType.ValueType) -> None:
    assert dtype_number(numpy_dtype(number)) == number
    assert DType.Name(number) == f"D_TYPE_{numpy_dtype(number).name.upper()}"


def test_elements_travel_row_by_row_and_little_endian() -> None:
    big_endian = np.array([[1, 2], [3, 4]], dtype=">u2", order="F")
    tensor = to_proto(big_endian)
    assert tensor.raw_data == b"\x01\x00\x02\x00\x03\x00\x04\x00"
    assert list(tensor.shape) == [2, 2]


def test_a_strided_view_is_sent_as_what_it_shows() -> None:
    cube = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    np.testing.assert_array_equal(to_numpy(to_proto(cube[:, ::2, ::-1])), cube[:, ::2, ::-1])


def test_nan_and_infinity_keep_their_bits() -> None:
    values = np.array([np.nan, -np.inf, -0.0], np.float32)
    values.view(np.uint32)[0] |= 0x123
    assert to_numpy(to_proto(values)).tobytes() == values.tobytes()


def test_what_is_received_cannot_be_written_to() -> None:
    received = to_numpy(to_proto(np.zeros(3, np.float32)))
    with pytest.raises(ValueError, match="read-only"):
        received[0] = 1.0


class OnDevice:
    """As much of a torch tensor as the sender may rely on."""

    def __init__(self, values: np.ndarray[Any, np.dtype[Any]], steps: tuple[str, ...] = ()) -> None:
        self.values = values
        self.steps = steps

    def detach(self) -> OnDevice:
        return OnDevice(self.values, (*self.steps, "detach"))

    def cpu(self) -> OnDevice:
        return OnDevice(self.values, (*self.steps, "cpu"))

    def numpy(self) -> np.ndarray[Any, np.dtype[Any]]:
        assert self.steps == ("detach", "cpu")
        return self.values


def test_a_tensor_of_another_library_is_taken_off_gradient_and_device() -> None:
    values = np.arange(4, dtype=np.float32)
    np.testing.assert_array_equal(to_numpy(to_proto(OnDevice(values))), values)


def test_torch_is_never_imported() -> None:
    import subprocess  # noqa: PLC0415 - only here

    seen = subprocess.run(
        [sys.executable, "-c", "import catenary_wire, sys; print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout.strip() == "False"


@pytest.mark.parametrize("array", [np.zeros(2, np.complex64), np.array(["text"]), np.zeros(2, np.int8)])
def test_an_element_type_that_the_contract_lacks_is_refused(array: np.ndarray[Any, np.dtype[Any]]) -> None:
    with pytest.raises(TypeError, match="convert it to one of bool, float16"):
        to_proto(array)


def test_a_list_is_no_array() -> None:
    with pytest.raises(TypeError, match="a list is no array"):
        to_proto([1.0, 2.0])  # type: ignore[arg-type] # what is tested


def test_nine_dimensions_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="at most 8"):
        to_proto(np.zeros((1,) * 9, np.float32))


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        pytest.param(Tensor(shape=[2], dtype=D_TYPE_FLOAT32, raw_data=b"1234"), "needs 8 bytes", id="too few bytes"),
        pytest.param(Tensor(shape=[-1], dtype=D_TYPE_FLOAT32, raw_data=b""), "negative", id="a negative dimension"),
        pytest.param(Tensor(shape=[1] * 9, dtype=D_TYPE_UINT8, raw_data=b"1"), "at most 8", id="nine dimensions"),
        pytest.param(Tensor(shape=[1], raw_data=b"1"), "no element type", id="no element type"),
        pytest.param(Tensor.FromString(b"\x10\x63\x1a\x011"), "no element type", id="an unknown element type"),
        pytest.param(Tensor(shape=[2], dtype=D_TYPE_BOOL, raw_data=b"\x00\x02"), "0 or 1", id="a bool that is neither"),
        pytest.param(
            Tensor(shape=[2**62, 2**62], dtype=D_TYPE_FLOAT64, raw_data=b""), "needs", id="a shape that overflows"
        ),
        pytest.param(Tensor(dtype=D_TYPE_FLOAT32, shm_ref=ShmRef(name="x")), "shared memory", id="elements elsewhere"),
    ],
)
def test_a_tensor_that_contradicts_itself_is_refused(tensor: Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        to_numpy(tensor)

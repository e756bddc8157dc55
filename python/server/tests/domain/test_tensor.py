"""Tensors are checked with plain integers before anything is allocated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.tensor import MAX_RANK, DType, Tensor, check_against, check_tensor


def reason_of(tensor: Tensor) -> Reason:
    with pytest.raises(Failure) as raised:
        check_tensor("cube", tensor)
    assert raised.value.violations[0].subject == "inputs.cube"
    return raised.value.reason


@pytest.mark.parametrize("dtype", DType)
def test_an_array_survives_the_way_there_and_back(dtype: DType) -> None:
    array = (np.arange(24).reshape(2, 3, 4) % 2).astype(dtype.value)
    tensor = Tensor.of(array)
    check_tensor("cube", tensor)
    assert tensor.nbytes == array.nbytes
    np.testing.assert_array_equal(tensor.array(), array)


def test_a_contiguous_array_is_not_copied() -> None:
    array = np.zeros((4, 4), np.float32)
    view = Tensor.of(array).array()
    array[0, 0] = 7
    assert view[0, 0] == 7


def test_an_array_in_another_order_is_made_contiguous() -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    np.testing.assert_array_equal(Tensor.of(array.T).array(), array.T)
    np.testing.assert_array_equal(Tensor.of(array.astype(">i4")).array(), array)


def test_an_element_type_without_a_name_in_the_contract_is_refused() -> None:
    with pytest.raises(Failure) as raised:
        Tensor.of(np.zeros(3, np.complex64))
    assert raised.value.reason is Reason.TENSOR_DTYPE


@pytest.mark.parametrize("shape", [(-1,), (2, -2), (1,) * (MAX_RANK + 1)])
def test_an_impossible_shape_is_refused(shape: tuple[int, ...]) -> None:
    assert reason_of(Tensor(DType.UINT8, shape, b"")) is Reason.TENSOR_SHAPE


@given(shape=st.lists(st.integers(0, 2**40), max_size=MAX_RANK).map(tuple), length=st.integers(0, 64))
def test_a_payload_of_another_length_is_refused_whatever_the_product_is(shape: tuple[int, ...], length: int) -> None:
    tensor = Tensor(DType.UINT8, shape, bytes(length))
    if math.prod(shape) == length:
        check_tensor("cube", tensor)
    else:
        assert reason_of(tensor) is Reason.TENSOR_SIZE_MISMATCH


def test_a_bool_is_zero_or_one() -> None:
    check_tensor("mask", Tensor(DType.BOOL, (2,), b"\x00\x01"))
    assert reason_of(Tensor(DType.BOOL, (2,), b"\x00\x02")) is Reason.FIELD_INVALID


def test_a_port_fixes_element_type_rank_and_some_axes() -> None:
    tensor = Tensor.of(np.zeros((1, 2, 3), np.float32))
    check_against("cube", tensor, DType.FLOAT32, (-1, 2, -1))
    for dtype, shape, reason in [
        (DType.FLOAT64, (-1, 2, -1), Reason.TENSOR_DTYPE),
        (DType.FLOAT32, (-1, 5, -1), Reason.TENSOR_SHAPE),
        (DType.FLOAT32, (-1, -1), Reason.TENSOR_SHAPE),
    ]:
        with pytest.raises(Failure) as raised:
            check_against("cube", tensor, dtype, shape)
        assert raised.value.reason is reason


@pytest.mark.parametrize("sizes", [(0, 4, 4, 3), (1, 0, 4, 3), (1, 4, 4, 0)])
def test_an_image_has_no_empty_axis(sizes: tuple[int, ...]) -> None:
    with pytest.raises(Failure) as raised:
        check_against("cube", Tensor.of(np.zeros(sizes, np.float32)), DType.FLOAT32, (-1, -1, -1, -1))
    assert raised.value.reason is Reason.TENSOR_SHAPE
    assert raised.value.violations[0].subject == "inputs.cube"


@pytest.mark.parametrize(("sizes", "port"), [((0, 6), (-1, 6)), ((0, 4), (-1, 4)), ((0,), (-1,))])
def test_a_list_may_be_empty(sizes: tuple[int, ...], port: tuple[int, ...]) -> None:
    check_against("bboxes", Tensor.of(np.zeros(sizes)), DType.FLOAT64, port)

from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray

from catenary_scenes import SceneInvalid
from catenary_scenes.arrays import parse_cube, parse_mask, parse_wavelengths


def with_value(value: float) -> NDArray[np.float64]:
    cube = np.ones((2, 3, 4))
    cube[1, 2, 3] = value
    return cube


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, ">u2", np.uint32, np.float16, np.float64, ">f4"])
def test_a_cube_of_any_real_dtype_becomes_float32(dtype: DTypeLike) -> None:
    stored = np.arange(24, dtype=dtype).reshape(2, 3, 4)
    cube = parse_cube(stored, "it")
    assert cube.dtype == np.float32
    assert cube.flags.c_contiguous
    np.testing.assert_array_equal(cube, stored.astype(np.float64))


def test_a_parsed_cube_shares_no_memory_with_the_stored_one() -> None:
    stored = np.ones((2, 3, 4), np.float32)
    assert not np.shares_memory(parse_cube(stored, "it"), stored)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (np.ones((2, 3)), "three dimensions"),
        (np.ones((2, 3, 4, 5)), "three dimensions"),
        (np.ones((2, 3, 0)), "at least one"),
        (np.ones((2, 3, 4), np.complex64), "complex64"),
        (np.ones((2, 3, 4), np.bool_), "bool"),
        (np.full((2, 3, 4), "x"), "U1"),
        (np.full((2, 3, 4), None), "object"),
        (with_value(np.nan), r"1 values that are not finite, the first at \(1, 2, 3\)"),
        (with_value(-np.inf), "not finite"),
        (with_value(1e300), "not finite"),
    ],
)
def test_what_is_no_cube_is_refused(stored: NDArray[Any], message: str) -> None:
    with pytest.raises(SceneInvalid, match=message):
        parse_cube(stored, "it")


@pytest.mark.parametrize(
    "stored",
    [
        np.array([[0, 1, 2]], np.uint8),
        np.array([[0.0, 1.0, 2.0]]),
        np.array([[[0], [1], [2]]], np.int64),
    ],
)
def test_a_mask_of_whole_numbers_is_read(stored: NDArray[Any]) -> None:
    mask = parse_mask(stored, (1, 3), "it")
    assert mask.dtype == np.int32
    assert mask.tolist() == [[0, 1, 2]]


def test_a_boolean_mask_is_read() -> None:
    assert parse_mask(np.array([[False, True]]), (1, 2), "it").tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (np.zeros((3, 1)), "1 x 3 pixels"),
        (np.zeros(3), "1 x 3 pixels"),
        (np.array([[0, -1, 0]]), "not labels"),
        (np.array([[0, 0.5, 0]]), "not labels"),
        (np.array([[0, np.nan, 0]]), "not labels"),
        (np.array([[0, np.inf, 0]]), "not labels"),
        (np.array([[0, 2**40, 0]]), "not labels"),
        (np.array([["0", "1", "0"]]), "U1"),
    ],
)
def test_what_is_no_mask_is_refused(stored: NDArray[Any], message: str) -> None:
    with pytest.raises(SceneInvalid, match=message):
        parse_mask(stored, (1, 3), "it")


@pytest.mark.parametrize(
    ("stored", "unit"),
    [
        ([400.0, 1000.0], "Nanometers"),
        ([400.0, 1000.0], ""),
        ([0.4, 1.0], "Micrometers"),
        ([0.4, 1.0], "um"),
        ([0.4, 1.0], "Unknown"),
        ([4000.0, 10000.0], "angstroms"),
    ],
)
def test_wavelengths_come_out_in_nanometres(stored: list[float], unit: str) -> None:
    wavelengths, known = parse_wavelengths(np.array([stored]), 2, "it", unit)
    assert known
    np.testing.assert_allclose(wavelengths, [400.0, 1000.0], rtol=1e-6)


@pytest.mark.parametrize(("stored", "unit"), [(None, ""), (np.array([1.0, 2.0]), "Index")])
def test_without_wavelengths_the_band_index_stands_in(stored: NDArray[np.float64] | None, unit: str) -> None:
    wavelengths, known = parse_wavelengths(stored, 2, "it", unit)
    assert not known
    assert wavelengths.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("stored", "unit", "message"),
    [
        (np.array([400.0]), "", "1 wavelengths for 2 bands"),
        (np.array([400.0, 0.0]), "", "not positive"),
        (np.array([400.0, np.nan]), "", "not positive"),
        (np.array(["a", "b"]), "", "U1"),
        (np.array([400.0, 500.0]), "furlongs", "'furlongs'"),
    ],
)
def test_what_are_no_wavelengths_is_refused(stored: NDArray[Any], unit: str, message: str) -> None:
    with pytest.raises(SceneInvalid, match=message):
        parse_wavelengths(stored, 2, "it", unit)

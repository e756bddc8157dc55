import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary_server.configuration.dialect import dump, load
from catenary_server.domain.failure import Failure, Reason

PLAIN = "1e-3 1.5 .5 -.5e3 1_000 0x1F 010 12:30 yes no on null ~ = << 2026-11-21 .inf"
SYNTAX = "a: # &x *x !tag % @ ` ' \" - ? | > [ {"
SPECIAL = [
    *PLAIN.split(),
    *SYNTAX.split(),
    "",
    " x ",
    "\n",
    "a\n b\n",
    "- a",
    "a: b",
    "a #b",
    "\x85",
    "\r",
    "\u2028",
    "\ufeff",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.sampled_from(SPECIAL)
)
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(data=DATA)
def test_what_is_written_reads_back_the_same(data: object) -> None:
    assert load(dump(data)) == data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("-1.5E+2", -150.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.inf", -math.inf),
        ("12", 12),
        ("2026-11-21", "2026-11-21"),
        ("1e", "1e"),
        ("e5", "e5"),
        (".", "."),
        ("true", True),
        ("", None),
    ],
)
def test_plain_scalars_are_read_as_hydra_reads_them(text: str, value: object) -> None:
    assert load(f"a: {text}") == {"a": value}


@pytest.mark.parametrize(
    ("text", "reason", "subject"),
    [
        ("a: 1\nb: &x 2", Reason.CONFIG_TOO_COMPLEX, "line 2"),
        ("a: *x", Reason.CONFIG_TOO_COMPLEX, "line 1"),
        ("a: !!str 2", Reason.CONFIG_TOO_COMPLEX, "line 1"),
        ("a: 1\n\na: 2", Reason.CONFIG_TOO_COMPLEX, "a"),
        ("{" * 40, Reason.CONFIG_TOO_COMPLEX, "line 1"),
        ("a: 1\nb: [", Reason.CONFIG_INVALID, "line 3"),
        ("a: 1\n---\nb: 2", Reason.CONFIG_INVALID, "line 2"),
        ("? [a]\n: 1", Reason.CONFIG_INVALID, "line 1"),
        ("true: 1", Reason.CONFIG_INVALID, "line 1"),
        ("a: \x07", Reason.CONFIG_INVALID, "content"),
        ("a: " + "9" * 5000, Reason.CONFIG_INVALID, "content"),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_place(text: str, reason: Reason, subject: str) -> None:
    with pytest.raises(Failure) as caught:
        load(text)
    assert caught.value.reason is reason
    assert caught.value.violations[0].subject == subject

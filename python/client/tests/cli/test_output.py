"""What people copy from a list is there whole."""

from __future__ import annotations

from rich.console import Console

from catenary_client.cli.output import listing


def test_the_first_column_is_not_shortened_on_a_narrow_terminal() -> None:
    console = Console(width=60)
    name = "digits-20261121-201258-abdec3640ffd4158"
    with console.capture() as captured:
        console.print(listing(("run", "status", "model"), [(name, "RUNNING", "small convolutional network")]))
    assert name in captured.get()

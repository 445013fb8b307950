"""What a cell printed is shown as it printed it."""

from __future__ import annotations

from nbformat.v4 import new_output
from streams import join_pieces


def test_pieces_of_one_print_are_joined_with_nothing_between_them() -> None:
    pieces = [
        new_output("stream", name="stdout", text=text) for text in ("21.0", " 10.0\n4", "2\n")
    ]
    (joined,) = join_pieces(pieces)
    assert joined["text"] == "21.0 10.0\n42\n"


def test_streams_and_results_keep_their_order() -> None:
    result = new_output("display_data", {"text/plain": "a plot"})
    out, error = (
        new_output("stream", name=name, text=f"{name}\n") for name in ("stdout", "stderr")
    )
    kinds = [o.get("name", o["output_type"]) for o in join_pieces([out, error, result, out])]
    assert kinds == ["stdout", "stderr", "display_data"]

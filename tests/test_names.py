"""Names of files: which are one, and how each is shown in a line."""

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atme.names import composed, folded, shown


@given(st.text())
def test_names_that_look_the_same_are_one(name: str) -> None:
    nfc, nfd = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    assert composed(nfc) == composed(nfd) == composed(name)
    assert folded(nfc) == folded(nfd)


@pytest.mark.parametrize(
    ("one", "other"), [("IMG_1", "img_1"), ("Straße", "STRASSE"), ("\u0130x", "i\u0307x"), ("\u00c5", "a\u030a")]
)
def test_names_that_differ_in_case_are_one_without_it(one: str, other: str) -> None:
    assert folded(one) == folded(other)
    assert composed(one) != composed(other)


@given(st.text(st.characters(categories=None)))
def test_every_name_is_shown_in_one_line(name: str) -> None:
    line = shown(name)
    assert len(line.splitlines()) <= 1
    line.encode()


def test_what_can_be_seen_stays(tmp_path) -> None:
    for name in ("a b", "é", "[/b]", "\U0001f468\u200d\U0001f469", "<>&", "\\n"):
        assert shown(name) == name
    assert shown(tmp_path / "a\nb") == f"{tmp_path}/a\\nb"
    assert shown(os.fsdecode(b"\xfc")) == "\\udcfc"

"""Codes that are hidden link as before; the key is held apart, and refused after its day."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import os
import stat

import pandas as pd
import pytest

from analysis.codes import (
    CodeKey,
    clean_elements,
    hide_elements,
    hide_whole,
    is_hidden,
    make_key,
    read_key,
    write_key,
)
from analysis.linking import link_codes
from tests.simulations.counting import generator
from tests.simulations.linking import ELEMENTS, draw_codes

TODAY = dt.date(2026, 11, 22)
KEY = CodeKey(secret=bytes(range(32)), holder="A. Person", destroy_on=dt.date(2028, 1, 1), made=TODAY)
OTHER = CodeKey(secret=bytes(32), holder="A. Person", destroy_on=dt.date(2028, 1, 1), made=TODAY)


def test_a_hash_is_the_hmac_of_place_and_letter():
    hidden = hide_elements(pd.DataFrame({"a": ["q"], "b": ["É"]}), ["a", "b"], key=KEY)
    for place, (name, letter) in enumerate((("a", "Q"), ("b", "É")), start=1):
        # RFC 2104 written out, with SHA-256's block of 64 bytes.
        inner, outer = (bytes(b ^ pad for b in KEY.secret.ljust(64, b"\0")) for pad in (0x36, 0x5C))
        message = f"element {place}\x1f{letter}".encode()
        digest = hashlib.sha256(outer + hashlib.sha256(inner + message).digest()).hexdigest()
        assert hidden.loc[0, name] == "c" + digest[:19]
        assert digest == hmac.digest(KEY.secret, message, "sha256").hex()


def test_hidden_codes_are_short_hex_that_no_spreadsheet_takes_for_a_number():
    hidden = hide_elements(pd.DataFrame({"a": list("ABCDEFGH")}), ["a"], key=KEY)["a"]
    assert hidden.str.fullmatch("c[0-9a-f]{19}").all()
    assert hidden.is_unique


def test_unknown_stays_unknown_and_blank_blank():
    people = pd.DataFrame({"a": ["x", None, " ", "A"], "b": ["B", "B", "", "X"]})
    hidden = hide_elements(people, ["a", "b"], key=KEY)
    assert hidden["a"].fillna("–").tolist()[:3] == ["X", "–", "–"]
    assert hidden["b"].fillna("–").tolist()[2:] == ["–", "X"]
    whole = hide_whole(people, ["a", "b"], key=KEY)
    assert whole.fillna("–").tolist() == ["X", "X", "–", "X"]


def test_hashes_depend_on_key_and_place():
    people = pd.DataFrame({"a": ["A"], "b": ["A"]})
    one, other = (hide_elements(people, ["a", "b"], key=key) for key in (KEY, OTHER))
    assert len({*one.loc[0], *other.loc[0]}) == 4
    assert hide_whole(people, ["a", "b"], key=KEY)[0] not in one.loc[0].tolist()


def test_whole_codes_are_not_run_together():
    people = pd.DataFrame({"a": ["AB", "A"], "b": ["C", "BC"]})
    assert hide_whole(people, ["a", "b"], key=KEY).is_unique


def test_hidden_codes_link_as_open_ones_do():
    before, after = draw_codes(generator("hidden", 0), pools=10, size=20, overlap=0.5)
    options = {"organisation": "team", "team": "team"}
    plain = link_codes(before, after, elements=ELEMENTS, **options)
    hidden = [
        frame.assign(**hide_elements(frame, ELEMENTS, key=KEY), whole=hide_whole(frame, ELEMENTS, key=KEY))
        for frame in (before, after)
    ]
    found = link_codes(*hidden, elements=ELEMENTS, **options)
    pd.testing.assert_frame_equal(found.pairs, plain.pairs)
    pd.testing.assert_frame_equal(found.table, plain.table)
    assert (plain.pairs["step"] == "one differing").any()
    exact = link_codes(before, after, elements=ELEMENTS, mismatch="none", **options).pairs
    whole = link_codes(*hidden, elements=["whole"], mismatch="none", **options).pairs
    pd.testing.assert_frame_equal(whole, exact)


def test_no_letter_shows():
    before, _ = draw_codes(generator("hidden", 0), pools=1, size=50, overlap=0.5, unknown=0)
    hidden = hide_elements(before, ELEMENTS, key=KEY)
    assert is_hidden(hidden, ELEMENTS)
    assert not is_hidden(before, ELEMENTS)
    assert not is_hidden(before.iloc[:0], ELEMENTS)
    assert not set(hidden.stack()) & set(before[ELEMENTS].stack())


@pytest.mark.parametrize(
    ("given", "clean"),
    [("a", "A"), (" é ", "É"), ("e\u0301", "É"), ("Ａ", "A"), ("x", "X"), ("ß", "SS"), ("K 7\t", "K7"), ("٣", "٣")],
)
def test_spelling(given, clean):
    assert clean_elements(pd.DataFrame({"a": [given]}), ["a"]).loc[0, "a"] == clean


def test_a_clean_code_is_clean():
    signs = pd.DataFrame({"a": [chr(k) for k in range(1, 0x3000)]})
    once = clean_elements(signs, ["a"])
    pd.testing.assert_frame_equal(clean_elements(once, ["a"]), once)


# The key's file


def test_a_key_is_written_for_its_owner_alone_and_read_back(tmp_path):
    path = tmp_path / "key.toml"
    key = make_key(holder='Ada "O\'Neill" \\ Uni', destroy_on="2028-01-01", today=TODAY)
    old = os.umask(0)
    try:
        write_key(key, path)
    finally:
        os.umask(old)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key(path, today=TODAY) == key
    assert key.secret.hex() not in repr(key)
    assert len(key.secret) == 32
    assert make_key(holder="A", destroy_on="2028-01-01", today=TODAY).secret != key.secret


def test_a_key_is_never_overwritten(tmp_path):
    path = tmp_path / "key.toml"
    write_key(KEY, path)
    kept = path.read_bytes()
    with pytest.raises(FileExistsError, match="never overwritten"):
        write_key(OTHER, path)
    assert path.read_bytes() == kept


def test_a_key_is_refused_after_its_day_and_not_on_it(tmp_path):
    path = tmp_path / "key.toml"
    write_key(KEY, path)
    assert read_key(path, today=KEY.destroy_on) == KEY
    with pytest.raises(ValueError, match=r"was to be destroyed by 2028-01-01, .* ask A\. Person to destroy every copy"):
        read_key(path, today=dt.date(2028, 1, 2))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('key = "', 'key = "zz', "characters 0–9 and a–f, got other characters"),
        (f'key = "{KEY.secret.hex()}"', 'key = "ab"', "got 2; use a copy"),
        (f'key = "{KEY.secret.hex()}"', "key = 7", "got int"),
        ('holder = "A. Person"', 'holder = " "', "holder must name the person"),
        ('holder = "A. Person"', "", "lacks holder"),
        ("destroy_on = 2028-01-01", 'destroy_on = "soon"', "destroy_on must be a day such as 2027-06-30, got 'soon'"),
        ("destroy_on = 2028-01-01", "destroy_on = 2028", "destroy_on must be a day"),
        ("made = 2026-11-22", "made = ", "cannot be read as TOML"),
    ],
)
def test_a_damaged_key_is_refused_without_showing_it(tmp_path, old, new, said):
    path = tmp_path / "key.toml"
    write_key(KEY, path)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=said) as refusal:
        read_key(path, today=TODAY)
    assert KEY.secret.hex()[:16] not in str(refusal.value)


def test_no_key_and_no_text(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such key file"):
        read_key(tmp_path / "key.toml")
    (tmp_path / "key.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not a key file"):
        read_key(tmp_path / "key.toml")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"holder": "  "}, "holder must name the person outside the service"),
        ({"holder": "A\x00"}, "holder must name"),
        ({"destroy_on": "2026-11-22"}, "must be a day after today"),
        ({"destroy_on": "30.6.2027"}, "must be a day such as"),
        ({"destroy_on": dt.datetime(2028, 1, 1)}, "must be a day such as"),
    ],
)
def test_a_key_needs_a_holder_and_a_day_to_come(options, said):
    with pytest.raises(ValueError, match=said):
        make_key(**{"holder": "A. Person", "destroy_on": "2028-01-01", "today": TODAY, **options})

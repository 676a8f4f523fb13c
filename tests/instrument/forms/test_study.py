"""What a study says of itself: read whole or refused with every fault and its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from instrument.forms.study import PaperReturn, StudyError, read_study, study_template

GOOD = """address = "https://answers.invalid/post"
[en]
by = "We"
contact = "Ask us"
consent = "One.\\n\\nTwo."
readers = "the lead"
when = "in May"
[[en.support]]
name = "Somebody"
how = "Room 2"
[[en.support]]
name = "Somebody else"
how = "Room 3"
"""


@pytest.fixture
def write(tmp_path: Path):
    def to_file(text: str | bytes) -> Path:
        path = tmp_path / "study.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return to_file


def test_a_good_file(write) -> None:
    study = read_study(write(GOOD))
    assert study.languages == ("en",)
    assert study.placeholders == ()
    assert study.address == "https://answers.invalid/post"
    assert [support.how for support in study.text("en").support] == ["Room 2", "Room 3"]
    with pytest.raises(ValueError, match=r"no texts in 'es'.*\[es\]"):
        study.text("es")


def test_the_template_names_nobody_and_marks_every_gap(write) -> None:
    study = read_study(write(study_template()))
    assert study.languages == ("en", "es")
    assert study.address == ""
    for language in study.languages:
        assert {place.split(".", 1)[1] for place in study.placeholders if place.startswith(language)} == {
            "by",
            "contact",
            "consent",
            "readers",
            "when",
        } | {f"support.{number}.{key}" for number in (1, 2) for key in ("name", "how")}
        on_paper = set(study.placeholders_on_paper(language)) - set(study.placeholders)
        assert on_paper == {f"{language}.paper.where", f"{language}.paper.until"}
    assert not any(character.isdigit() for character in "".join(study.text("en").consent))


def test_where_sheets_go_is_said_or_left_out(write) -> None:
    assert read_study(write(GOOD)).text("en").paper is None
    study = read_study(write(GOOD + '[en.paper]\nwhere = "The box"\nuntil = "<<date>>"\n'))
    assert study.text("en").paper == PaperReturn(where="The box", until="<<date>>")
    assert study.placeholders == ()  # the web form does not show it
    assert study.placeholders_on_paper("en") == ("en.paper.until",)
    with pytest.raises(StudyError) as caught:
        read_study(write(GOOD + '[en.paper]\nuntil = " "\nroom = "2"\n'))
    told = "\n".join(caught.value.faults)
    for part in (
        "study.toml:15: en.paper.until is empty",
        "study.toml:16: room is not a key of paper; use where and until",
        "en.paper.where is missing",
    ):
        assert part in told
    with pytest.raises(StudyError, match=r"study.toml:4: en.paper must be a table: \[en.paper\]"):
        read_study(write(GOOD.replace('by = "We"', 'by = "We"\npaper = "The box"')))


def test_every_fault_is_told_with_its_line(write) -> None:
    bad = (
        GOOD.replace('address = "https://answers.invalid/post"', 'address = "http://answers.invalid/post?x=1"')
        .replace('when = "in May"', "when = 5\ncolour = 'red'")
        .replace('how = "Room 3"', 'how = " "\nphone = "1"')
        + '[es]\nby = "Nosotras"\nsupport = []\n[fr2]\nby = "x"\n'
    )
    with pytest.raises(StudyError) as caught:
        read_study(write(bad))
    told = {fault.split(": ", 1)[0]: fault for fault in caught.value.faults}
    assert "https://HOST/PATH" in told["study.toml:1"]
    assert "en.when must be a text, not 5" in told["study.toml:7"]
    assert "colour is not a key" in told["study.toml:8"]
    assert "en.support.2.how is empty" in told["study.toml:14"]
    assert "phone is not a key of support" in told["study.toml:15"]
    assert "es.contact is missing" in "".join(caught.value.faults)
    assert "es needs somebody to turn to" in told["study.toml:18"]
    assert "fr2 is not a key of a study" in told["study.toml:19"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", r"study.toml:1: has no texts"),
        ("a = \n", r"study.toml:1: is not TOML"),
        (b"[en]\nby = '\xff'", r"study.toml:1: is not UTF-8"),
        ("address = 3\n" + GOOD.split("\n", 1)[1], r"study.toml:1: address must be a text"),
    ],
)
def test_files_that_are_none(write, content: str | bytes, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        read_study(write(content))


@pytest.mark.parametrize(
    "address",
    [
        "ftp://a.invalid/",
        "https:///x",
        "https://a.invalid/;x",
        "https://u:p@a.invalid/",
        "https://a.invalid/ x",
        "https://a.invalid:x/",
    ],
)
def test_addresses_that_a_policy_could_not_hold(write, address: str) -> None:
    with pytest.raises(StudyError, match="cannot be posted to"):
        read_study(write(GOOD.replace("https://answers.invalid/post", address)))


@pytest.mark.parametrize(
    "address",
    ["https://[::1]/x", "https://my_host.org/x", "https://h.org:/x", "https://h.org/../a", "https://h.org/./a"],
)
def test_an_address_that_a_policy_would_block_is_refused(write, address: str) -> None:
    with pytest.raises(StudyError, match="cannot be posted to"):
        read_study(write(GOOD.replace("https://answers.invalid/post", address)))


def test_what_would_take_for_ever_is_told_at_once(write) -> None:
    with pytest.raises(StudyError, match=r"study.toml:1: is not TOML that a study needs"):
        read_study(write("x = " + "[" * 5000))
    with pytest.raises(StudyError, match=r"study.toml:1: is not TOML"):
        read_study(write(f"x = {'9' * 5000}\n"))
    study = read_study(write(GOOD.replace('by = "We"', f'by = "{"<<" * 100_000}"')))
    assert study.placeholders == ()
    with pytest.raises(StudyError, match="inside quotation marks write '"):
        read_study(write(GOOD.replace('by = "We"', 'by = "House "North""')))

"""In which groups forms are shown: checked by listing what the rule says of each case."""

from itertools import product

import pandas as pd
import pytest

from analysis.form_groups import EVERYONE, STAFF, form_groups

WHO = {"P": "peers", "C": "colleagues", "M": "managers", "PS": "peers", "CS": "colleagues", "MS": "managers"}


def people(*waves):
    rows = [(wave, form) for wave, sizes in enumerate(waves, start=1) for form, n in sizes.items() for _ in range(n)]
    return pd.DataFrame(rows, columns=["wave", "form"])


@pytest.mark.parametrize(
    ("waves", "group"),
    [
        ([{"P": 5, "C": 9, "M": 5}], ["peers", "colleagues", "managers"]),
        ([{"P": 5, "C": 9, "M": 4}], ["peers", STAFF, STAFF]),
        ([{"P": 9, "C": 3, "M": 4}], ["peers", STAFF, STAFF]),  # 7 together
        ([{"P": 9, "C": 2, "M": 2}], [EVERYONE] * 3),  # not even together
        ([{"P": 4, "C": 9, "M": 9}], [EVERYONE] * 3),
        ([{"P": 9, "C": 9, "M": 9}, {"P": 9, "C": 9, "M": 3}], ["peers", STAFF, STAFF]),  # at either wave
        ([{"P": 9, "C": 9, "M": 9}, {"P": 2, "C": 9, "M": 9}], [EVERYONE] * 3),
        ([{"C": 9, "M": 9}, {"P": 9, "C": 9, "M": 9}], ["peers", "colleagues", "managers"]),  # no peer workers before
        ([{"P": 3, "PS": 3, "C": 9, "M": 9}], ["peers", "colleagues", "managers"]),  # long and short form are one group
    ],
)
def test_groups_by_the_rule(waves, group):
    found = form_groups(people(*waves), WHO, floor=5)
    assert [found.group[form] for form in "PCM"] == group
    assert bool(found.sentence) is (group != ["peers", "colleagues", "managers"])
    assert not any(character.isdigit() and character != "5" for character in found.sentence)


def test_every_small_case_leaves_no_group_under_the_floor_at_any_wave():
    for sizes in [*product([0, 3, 6], repeat=6)][::29]:
        frame = people(dict(zip("PCM", sizes[:3], strict=True)), dict(zip("PCM", sizes[3:], strict=True)))
        if frame.empty:
            continue
        found = form_groups(frame, WHO, floor=5)
        count = frame.groupby(["wave", found.of(frame["form"])]).size()
        assert found.labels in ((EVERYONE,),) or (count >= 5).all()
        assert found.apart == (len(found.labels) > 1)
        peers = frame[frame["form"] == "P"].groupby("wave").size()
        if ((peers > 0) & (peers < 5)).any():
            assert found.labels == (EVERYONE,)
            assert not found.shows("peers")


def test_forms_of_nobody_in_particular_are_shown_all_or_not_at_all():
    who = {"A": None, "B": None}
    assert form_groups(people({"A": 6, "B": 6}), who, floor=5).labels == ("A", "B")
    assert form_groups(people({"A": 6, "B": 3}), who, floor=5).labels == (EVERYONE,)


def test_a_form_stands_for_its_group():
    frame = people({"P": 9, "C": 9, "M": 3, "MS": 1})
    found = form_groups(frame, WHO, floor=5)
    assert found.standing_for(WHO) == {"P": "P", "C": "C", "M": "C", "MS": "C"}
    everyone = form_groups(people({"P": 3, "C": 9}), WHO, floor=5)
    assert everyone.standing_for(WHO) == {"P": "C", "C": "C"}


def test_a_missing_form_means_one_figure():
    frame = people({"P": 9, "C": 9, "M": 9})
    frame.loc[0, "form"] = None
    assert form_groups(frame, WHO, floor=5).labels == (EVERYONE,)


def test_refusals():
    with pytest.raises(ValueError, match="the columns form and wave"):
        form_groups(pd.DataFrame({"form": ["P"]}), WHO, floor=5)
    with pytest.raises(ValueError, match="does not know the forms X"):
        form_groups(people({"X": 9}), WHO, floor=5)

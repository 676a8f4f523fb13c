"""In which groups the forms are shown: the same at every wave, and none under the floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

EVERYONE, STAFF = "everyone", "non-peer staff"
PEERS = "peers"


@dataclass(frozen=True, kw_only=True)
class FormGroups:
    """Form → the group that it is shown in, and the sentence that says so.

    Parameters
    ----------
    group : dict
        Form → "peers", "colleagues", "managers" (or the form itself, where the definition does not say who fills it in);
        "non-peer staff" where managers had to join colleagues; "everyone" where no form may be shown.
    sentence : str
        For the reader; empty where every form is shown as it is. It tells no number.
    """

    group: dict[str, str]
    sentence: str

    @property
    def labels(self) -> tuple[str, ...]:
        """The groups, each once, in the order of the forms."""
        return tuple(dict.fromkeys(self.group.values()))

    @property
    def apart(self) -> bool:
        """Whether groups are shown beside each other at all."""
        return len(self.labels) > 1

    def shows(self, who: str) -> bool:
        """Say whether the answers of "peers", "colleagues" or "managers" may be shown by themselves."""
        return self.apart and who in self.labels

    def of(self, forms: pd.Series) -> pd.Series:
        """Return the group of each response, given its form."""
        return forms.map(self.group).rename("group")

    def standing_for(self, who: Mapping[str, str | None]) -> dict[str, str]:
        """Return form → the form that stands for its group: that of colleagues for non-peer staff and everyone, if there is one.

        Parameters
        ----------
        who : mapping
            Form → "peers", "colleagues", "managers" or None, as for `form_groups`.

        Examples
        --------
        >>> found = FormGroups(group={"P": "peers", "C": "non-peer staff", "M": "non-peer staff"}, sentence="…")
        >>> found.standing_for({"P": "peers", "C": "colleagues", "M": "managers"})
        {'P': 'P', 'C': 'C', 'M': 'C'}
        """
        first = next((form for form, of in who.items() if of == "colleagues"), next(iter(who), ""))
        return {form: first if group in (STAFF, EVERYONE) else form for form, group in self.group.items()}


def form_groups(people: pd.DataFrame, who: Mapping[str, str | None], *, floor: int) -> FormGroups:
    """Find the groups in which forms may be shown.

    Parameters
    ----------
    people : pandas.DataFrame
        One row a response: ``form`` and ``wave``.
    who : mapping
        Form → "peers", "colleagues", "managers" or None, as the definition says; all forms of it.
    floor : int
        Fewest people that are shown.

    Returns
    -------
    FormGroups

    Notes
    -----
    A long and a short form of the same people are one group. If a group has 1 to floor − 1 people at any wave,
    everyone but peer workers is one group, and if that does not help, or if it is peer workers who are too few,
    there is one figure for everyone: the others beside it would give theirs back by subtraction. A group that nobody
    is of at a wave (no peer workers before the start) does not count as too small: there is nobody to recognise.
    The same groups hold at every wave, so that no two waves tell by subtraction what each hides.

    Examples
    --------
    >>> people = pd.DataFrame({"form": ["P"] * 6 + ["C"] * 9 + ["M"] * 3, "wave": 1})
    >>> found = form_groups(people, {"P": "peers", "C": "colleagues", "M": "managers"}, floor=5)
    >>> found.group
    {'P': 'peers', 'C': 'non-peer staff', 'M': 'non-peer staff'}
    """
    absent = [name for name in ("form", "wave") if name not in people]
    if absent:
        raise ValueError(f"`people` needs the columns form and wave, got {', '.join(map(str, people.columns))}")
    unknown = sorted({str(form) for form in people["form"].dropna()} - set(who))
    if unknown:
        raise ValueError(f"`who` does not know the forms {', '.join(unknown)}; it has {', '.join(who)}")
    as_they_are = {form: of or form for form, of in who.items()}
    present = set(people["form"].dropna())
    if _enough(people, as_they_are, floor):
        return FormGroups(group={form: of for form, of in as_they_are.items() if form in present}, sentence="")
    joined = {form: PEERS if of == PEERS else STAFF for form, of in who.items()}
    if PEERS in who.values() and _enough(people, joined, floor):
        return FormGroups(
            group={form: of for form, of in joined.items() if form in present},
            sentence=f"In at least one wave a group has fewer than {floor} answers: managers and colleagues are shown together, "
            "as non-peer staff, in every wave.",
        )
    return FormGroups(
        group={form: EVERYONE for form in who if form in present},
        sentence=f"In at least one wave a group has fewer than {floor} answers and cannot be shown, nor can the others "
        "beside a figure for all: there is one figure for everyone together.",
    )


def _enough(people: pd.DataFrame, group: Mapping[str, str], floor: int) -> bool:
    """Say whether no group has 1 to floor − 1 people at any wave, those without a form among them."""
    of = people["form"].map(dict(group)).fillna("(no form)")
    sizes = people.groupby([people["wave"], of]).size()
    return bool((sizes >= floor).all()) and "(no form)" not in set(of)

"""The models of a ladder of invariance: the same factors in several groups, or in several waves of the same people.

Each step of the ladder makes one more kind of parameter equal. Here the models are written; `analysis.invariance`
fits and compares them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.score_tests import Element
from analysis.structure import Model, ModelDraft

CONTINUOUS = {
    "configural": (),
    "metric": ("loadings",),
    "scalar": ("loadings", "intercepts"),
    "strict": ("loadings", "intercepts", "residuals"),
}
# Wu & Estabrook (2016): thresholds first, since without equal thresholds nothing else can be compared.
ORDERED = {
    "configural": (),
    "thresholds": ("thresholds",),
    "loadings": ("thresholds", "loadings"),
    "intercepts": ("thresholds", "loadings", "intercepts"),
    "residuals": ("thresholds", "loadings", "intercepts", "residuals"),
}


@dataclass(frozen=True, slots=True)
class Released:
    """A parameter let go: one item's, of one kind, in every block but the first.

    Attributes
    ----------
    kind : str
        ``thresholds``, ``loadings``, ``intercepts`` or ``residuals``.
    item : int
    factor : int or None
        Of loadings.
    """

    kind: str
    item: int
    factor: int | None = None


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """What the models of a ladder have in common.

    Parameters
    ----------
    items : tuple of str
    factors : mapping
        Factor → positions of its items.
    blocks : tuple of str
        Groups, or waves; the first gives the factors their unit.
    thresholds : tuple of int
        By item, equal in all blocks; empty for continuous items.
    waves : bool
        Whether the blocks are waves of the same people: one group in which every item stands once a wave.
    """

    items: tuple[str, ...]
    factors: Mapping[str, tuple[int, ...]]
    blocks: tuple[str, ...]
    thresholds: tuple[int, ...] = ()
    waves: bool = False

    @property
    def steps(self) -> dict[str, tuple[str, ...]]:
        """The steps and what is equal in each."""
        return dict(ORDERED if self.thresholds else CONTINUOUS)

    def place(self, block: int) -> tuple[int, int, int, int]:
        """Group, and where items, factors and thresholds of a block begin."""
        if not self.waves:
            return block, 0, 0, 0
        return 0, block * len(self.items), block * len(self.factors), block * sum(self.thresholds)

    def model(self, equal: Sequence[str], released: frozenset[Released] = frozenset()) -> Model:
        """Write the model in which some kinds of parameters are equal in all blocks.

        Parameters
        ----------
        equal : sequence of str
            Of ``thresholds``, ``loadings``, ``intercepts``, ``residuals``.
        released : frozenset of Released
            Exceptions.

        Returns
        -------
        Model
        """
        times = len(self.blocks) if self.waves else 1
        threshold_item = [item for item, many in enumerate(self.thresholds) for _ in range(many)]
        draft = ModelDraft(
            items=times * len(self.items),
            factors=times * len(self.factors),
            groups=1 if self.waves else len(self.blocks),
            threshold_item=[wave * len(self.items) + item for wave in range(times) for item in threshold_item],
            scale="residual" if self.thresholds else "unit",
        )
        for block in range(len(self.blocks)):
            self._measurement(draft, block, equal, released)
            self._factors(draft, block, equal)
        if self.waves:
            self._over_time(draft)
        return draft.finished()

    def known(self, names: Sequence[str], values: Sequence[float]) -> dict[str, float]:
        """Give start values from another model of the ladder.

        What becomes equal starts at the first block's value, what is let go at the value that all blocks had.
        """
        found = dict(zip(names, map(float, values), strict=True))
        first = f" [{self.blocks[0]}]"
        equal = {name.removesuffix(first): value for name, value in found.items() if name.endswith(first)}
        shared = {name: value for name, value in found.items() if not name.endswith("]")}
        free = {f"{name} [{block}]": value for name, value in shared.items() for block in self.blocks}
        return free | found | equal

    def binary(self, item: int) -> bool:
        """Whether an item has two answers: its one threshold gives it no unit."""
        return bool(self.thresholds) and self.thresholds[item] == 1

    def is_free(self, kind: str, item: int, released: frozenset[Released], factor: int | None = None) -> bool:
        """Whether a release lets a parameter differ, by itself or because nothing gives it a common unit or origin.

        Without equal thresholds an item has no unit that blocks share, and without equal loadings no
        intercept at the same place.
        """
        if Released(kind, item, factor) in released or Released("thresholds", item) in released:
            return True
        return kind == "intercepts" and any(each.kind == "loadings" and each.item == item for each in released)

    def elements(self, released: Released) -> list[Element]:
        """List what one release would set free, in every block but the first."""
        found = []
        for block in range(1, len(self.blocks)):
            group, items, factors, thresholds = self.place(block)
            row = items + released.item
            if released.kind == "loadings":
                found.append(Element("loadings", row, factors + (released.factor or 0), group))
            elif released.kind == "intercepts":
                found.append(Element("intercepts", row, None, group))
            elif released.kind == "residuals":
                found.append(Element("error_covariance", row, row, group))
            else:
                first = thresholds + sum(self.thresholds[: released.item])
                found += [
                    Element("thresholds", first + step, None, group) for step in range(self.thresholds[released.item])
                ]
        return found

    def releasable(self, kind: str, released: frozenset[Released] = frozenset()) -> list[Released]:
        """List what of one kind is equal and may be let go: two items of each factor stay as they are.

        Parameters
        ----------
        kind : str
        released : frozenset of Released
            What has been let go before.

        Returns
        -------
        list of Released
            Without what restricts nothing: thresholds of items with up to three answers, loadings of those with two.
        """
        pairs = [(item, at) for at, items in enumerate(self.factors.values()) for item in items]
        all_of_kind = (
            [Released(kind, item, at) for item, at in pairs]
            if kind == "loadings"
            else [Released(kind, item) for item in range(len(self.items))]
        )
        fewest = {"thresholds": 3, "loadings": 2}.get(kind, 0) if self.thresholds else 0
        return [
            each
            for each in all_of_kind
            if not self.is_free(kind, each.item, released, each.factor)
            and (not fewest or self.thresholds[each.item] >= fewest)
            and self._leaves_two(each, released)
        ]

    def _leaves_two(self, candidate: Released, released: frozenset[Released]) -> bool:
        """Whether two items of each of its factors stay equal without it: they hold the factor's scale in place."""
        for at, members in enumerate(self.factors.values()):
            if candidate.item not in members or candidate.factor not in (None, at):
                continue
            factor = at if candidate.kind == "loadings" else None
            left = [item for item in members if not self.is_free(candidate.kind, item, released, factor)]
            if len(set(left) - {candidate.item}) < 2:
                return False
        return True

    def words(self, released: Released) -> str:
        """Name a released parameter as lavaan does."""
        item = self.items[released.item]
        return {
            "loadings": f"{list(self.factors)[released.factor or 0]} =~ {item}",
            "intercepts": f"{item} ~ 1",
            "residuals": f"{item} ~~ {item}",
            "thresholds": f"{item} | t",
        }[released.kind]

    def _measurement(self, draft: ModelDraft, block: int, equal: Sequence[str], released: frozenset[Released]) -> None:
        group, items, factors, thresholds = self.place(block)
        own = f" [{self.blocks[block]}]"

        def suffix(kind: str, item: int, factor: int | None = None) -> str:
            return "" if kind in equal and not self.is_free(kind, item, released, factor) else own

        for at, (factor, members) in enumerate(self.factors.items()):
            for item in members:
                name = f"{factor} =~ {self.items[item]}{suffix('loadings', item, at)}"
                draft.free("loadings", items + item, factors + at, name=name, group=group)
        threshold = thresholds
        for item, name in enumerate(self.items):
            row = items + item
            if not self.thresholds:
                draft.free("intercepts", row, name=f"{name} ~ 1{suffix('intercepts', item)}", group=group)
                error = f"{name} ~~ {name}{suffix('residuals', item)}"
                draft.free("error_covariance", row, row, name=error, group=group)
                continue
            for step in range(self.thresholds[item]):
                label = f"{name}|t{step + 1}{suffix('thresholds', item)}"
                draft.free("thresholds", threshold, name=label, group=group)
                threshold += 1
            # The answers behind an item have no unit of their own: the first block's, or that which equal
            # thresholds carry over from it. One threshold carries an origin alone; a unit takes an equal loading.
            carried = block > 0 and suffix("thresholds", item) == ""
            if carried and suffix("intercepts", item):
                draft.free("intercepts", row, name=f"{name} ~ 1{own}", group=group)
            scaled = carried and not (self.binary(item) and "loadings" not in equal)
            if scaled and suffix("residuals", item):
                draft.free("error_covariance", row, row, name=f"{name} ~~ {name}{own}", group=group)
            else:
                draft.fix("error_covariance", row, row, value=1.0, group=group)

    def _factors(self, draft: ModelDraft, block: int, equal: Sequence[str]) -> None:
        group, _, first, _ = self.place(block)
        own = f" [{self.blocks[block]}]"
        names = list(self.factors)
        for at, factor in enumerate(names):
            # Two-answer items take their units from the factor, so that they give it none before their origins
            # are equal too.
            measured = "intercepts" in equal or not all(self.binary(item) for item in self.factors[factor])
            if block and "loadings" in equal and measured:
                name = f"{factor} ~~ {factor}{own}"
                draft.free("factor_covariance", first + at, first + at, name=name, group=group)
            else:
                draft.fix("factor_covariance", first + at, first + at, value=1.0, group=group)
            if block and "intercepts" in equal:
                draft.free("factor_means", first + at, name=f"{factor} ~ 1{own}", group=group)
            for before in range(at):
                name = f"{factor} ~~ {names[before]}{own}"
                draft.free("factor_covariance", first + at, first + before, name=name, group=group)

    def _over_time(self, draft: ModelDraft) -> None:
        """Let every factor of one wave go with those of another, and every item's residual with its own."""
        for later in range(1, len(self.blocks)):
            for earlier in range(later):
                tag = f" [{self.blocks[later]}, {self.blocks[earlier]}]"
                row, column = self.place(later), self.place(earlier)
                for item, name in enumerate(self.items):
                    draft.free("error_covariance", row[1] + item, column[1] + item, name=f"{name} ~~ {name}{tag}")
                for at, one in enumerate(self.factors):
                    for and_at, other in enumerate(self.factors):
                        draft.free("factor_covariance", row[2] + at, column[2] + and_at, name=f"{one} ~~ {other}{tag}")


def degrees(ladder: Ladder, equal: Sequence[str], released: frozenset[Released] = frozenset()) -> int:
    """Count degrees of freedom of a model of the ladder.

    Parameters
    ----------
    ladder : Ladder
    equal : sequence of str
    released : frozenset of Released

    Returns
    -------
    int
    """
    items = len(ladder.items) * (len(ladder.blocks) if ladder.waves else 1)
    pairs = items * (items - 1) // 2
    if ladder.thresholds:
        statistics = pairs + sum(ladder.thresholds) * (len(ladder.blocks) if ladder.waves else 1)
    else:
        statistics = pairs + 2 * items
    groups = 1 if ladder.waves else len(ladder.blocks)
    return int(statistics * groups - np.size(ladder.model(equal, released).names))

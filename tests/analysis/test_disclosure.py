"""Nobody can be worked out: attackers that share no code with the suppression try every published table."""

from collections import deque
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.disclosure import (
    FLOORS,
    MEAN_WIDTH,
    Suppressed,
    audit,
    audit_counts,
    safe_groups,
    safe_subset,
    suppress_counts,
    suppress_distributions,
    suppress_percentages,
    suppress_small_cells,
)
from analysis.result import Result

AUDIENCES = st.sampled_from(["internal", "external"])
quick = settings(max_examples=15, deadline=None)


def with_margins(inner):
    """Add the totals of rows, columns and all."""
    inner = np.asarray(inner)
    wide = np.hstack([inner, inner.sum(axis=1, keepdims=True)])
    return np.vstack([wide, wide.sum(axis=0)])


def counts_frame(inner):
    full = with_margins(inner)
    return pd.DataFrame(
        full,
        index=pd.Index([*(f"g{i}" for i in range(len(full) - 1)), "All"], name="form"),
        columns=[*range(1, full.shape[1]), "All"],
    )


def statistics_frame(inner):
    frame = counts_frame(inner)
    frame.columns = pd.Index([*(f"w{i}" for i in range(frame.shape[1] - 1)), "All"], name="wave")
    table = frame.stack().rename("n").to_frame()
    table["mean"] = np.linspace(1.5, 4.5, len(table))
    return table


def tables(max_rows=4, max_columns=4, largest=25):
    shape = st.tuples(st.integers(2, max_rows), st.integers(2, max_columns))
    value = st.one_of(st.integers(0, 7), st.integers(0, largest))
    return shape.flatmap(
        lambda s: st.lists(st.lists(value, min_size=s[1], max_size=s[1]), min_size=s[0], max_size=s[0])
    )


def possible(full, hidden, cell, least):
    """Give the range of one hidden cell in all whole tables with the same shown cells.

    Exact, by augmenting paths. Totals are written as negative numbers, so that every row and column of the
    table sums to 0 and a change runs along a cycle of hidden cells, up and down in turn.
    """
    sign = np.ones_like(full)
    sign[-1, :] *= -1
    sign[:, -1] *= -1
    rows, columns = full.shape

    def path(now, direction):
        # A change of the cell needs a way back from its column to its row through other hidden cells.
        start, goal = ("c", cell[1]), ("r", cell[0])
        before, queue = {start: None}, deque([start])
        while queue:
            node = queue.popleft()
            if node == goal:
                steps = []
                while before[node] is not None:
                    node, step = before[node]
                    steps.append(step)
                return steps
            others = range(rows) if node[0] == "c" else range(columns)
            for other in others:
                place = (other, node[1]) if node[0] == "c" else (node[1], other)
                nxt = ("r", other) if node[0] == "c" else ("c", other)
                # From a column the signed cell moves against the direction, from a row with it.
                move = (-direction if node[0] == "c" else direction) * sign[place]
                if place == cell or nxt in before or not hidden[place] or now[place] + move < least[place]:
                    continue
                before[nxt] = (node, (place, move))
                queue.append(nxt)
        return None

    ends = []
    for step in (-1, 1):
        now = full.copy()
        direction = step * sign[cell]
        while (step == 1 and now[cell] < full[cell] + 30) or (step == -1 and now[cell] > least[cell]):
            steps = path(now, direction)
            if steps is None:
                break
            now[cell] += step
            for place, move in steps:
                now[place] += move
            assert (now[:-1].sum(axis=0) == now[-1]).all()
            assert (now[:, :-1].sum(axis=1) == now[:, -1]).all()
            assert (now[~hidden] == full[~hidden]).all()
        ends.append(int(now[cell]))
    return tuple(ends)


def assert_nobody_found(full, hidden, floor):
    """Attack as a reader who also knows which hidden cells are empty."""
    full = np.asarray(full)
    assert not ((full > 0) & (full < floor) & ~hidden).any()
    least = np.where(full > 0, 1, 0)
    known = hidden & (full > 0)  # empty cells are as good as shown to this reader
    for row, column in zip(*np.nonzero(known), strict=True):
        low, high = possible(full, known, (row, column), least)
        if full[row, column] < floor:
            below = full[: -1 if row == len(full) - 1 else None, : -1 if column == full.shape[1] - 1 else None]
            if row != len(full) - 1:
                below = below[[row]]
            if column != full.shape[1] - 1:
                below = below[:, [column]]
            assert low <= max(1, np.count_nonzero(below))
            assert high >= floor - 1
        else:
            low, high = possible(full, hidden, (row, column), least)
            assert high - low + 1 >= floor


# --- Count tables ------------------------------------------------------------------------------------


@quick
@given(tables(), AUDIENCES)
def test_no_count_can_be_found_in_a_table_with_its_totals(inner, audience):
    frame = counts_frame(inner)
    hidden = suppress_counts(frame, audience=audience).isna().to_numpy()
    assert_nobody_found(frame.to_numpy(), hidden, FLOORS[audience])


@quick
@given(tables(), AUDIENCES)
def test_totals_printed_elsewhere_give_nothing_back_unless_they_are_small(inner, audience):
    """Without totals in the table the reader has those that the rule would have shown."""
    frame = counts_frame(inner).iloc[:-1, :-1]
    hidden = np.ones((len(frame) + 1, frame.shape[1] + 1), dtype=bool)
    hidden[:-1, :-1] = suppress_counts(frame, audience=audience).isna()
    in_table = suppress_counts(counts_frame(inner), audience=audience).isna().to_numpy()
    hidden[-1, :], hidden[:, -1] = in_table[-1, :], in_table[:, -1]
    floor = FLOORS[audience]
    full = with_margins(inner)
    assert not ((full > 0) & (full < floor) & ~hidden).any()
    if not in_table[-1, :].any() and not in_table[:, -1].any():
        assert_nobody_found(full, hidden, floor)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 7), min_size=6, max_size=6))
def test_every_table_written_out_leaves_all_small_numbers_open(cells):
    """Brute force over all 2 × 3 tables of 0 to 10: the set, not only the range, is complete."""
    inner = np.array(cells).reshape(2, 3)
    frame = counts_frame(inner)
    full = frame.to_numpy()
    hidden = suppress_counts(frame, audience="internal").isna().to_numpy()
    every = EVERY_TABLE
    fits = np.ones(len(every), dtype=bool)
    for row, column in product(range(3), range(4)):
        value = every[:, row, column]
        fits &= (value > 0) == (full[row, column] > 0) if hidden[row, column] else value == full[row, column]
    fitting = every[fits]
    for row, column in zip(*np.nonzero(hidden & (full > 0) & (full < 5)), strict=True):
        below = full[: 2 if row == 2 else None, : 3 if column == 3 else None]
        below = below if row == 2 else below[[row]]
        below = below if column == 3 else below[:, [column]]
        rule = set(range(max(1, np.count_nonzero(below)), 5))
        assert rule <= set(fitting[:, row, column].tolist())


def _every_table():
    inner = np.stack(np.meshgrid(*[np.arange(11, dtype=np.int8)] * 6, indexing="ij"), axis=-1).reshape(-1, 2, 3)
    wide = np.concatenate([inner, inner.sum(axis=2, keepdims=True, dtype=np.int8)], axis=2)
    return np.concatenate([wide, wide.sum(axis=1, keepdims=True, dtype=np.int8)], axis=1)


EVERY_TABLE = _every_table()


@quick
@given(tables(), AUDIENCES)
def test_a_second_time_changes_nothing(inner, audience):
    once = suppress_counts(counts_frame(inner), audience=audience)
    pd.testing.assert_frame_equal(suppress_counts(once, audience=audience), once)
    rows = suppress_small_cells(statistics_frame(inner), audience=audience).table
    pd.testing.assert_frame_equal(suppress_small_cells(rows, audience=audience).table, rows)


@quick
@given(tables())
def test_external_hides_at_least_what_internal_hides(inner):
    frame = counts_frame(inner)
    inside, outside = (suppress_counts(frame, audience=a).isna() for a in ("internal", "external"))
    assert not (inside & ~outside).to_numpy().any()
    table = statistics_frame(inner)
    inside, outside = (suppress_small_cells(table, audience=a).hidden for a in ("internal", "external"))
    assert not (inside & ~outside).to_numpy().any()


@quick
@given(tables(), AUDIENCES)
def test_shown_counts_are_the_true_ones(inner, audience):
    frame = counts_frame(inner)
    out = suppress_counts(frame, audience=audience)
    shown = out.notna().to_numpy()
    assert (out.to_numpy(dtype=float, na_value=np.nan)[shown] == frame.to_numpy()[shown]).all()


def test_a_row_in_one_cell_is_withheld_with_its_zeros():
    frame = counts_frame([[0, 0, 12, 0], [9, 20, 9, 11], [8, 7, 13, 30]])
    out = suppress_counts(frame, audience="internal")
    assert out.iloc[0, :-1].isna().all()
    full, hidden = frame.to_numpy(), out.isna().to_numpy()
    low, high = possible(full, hidden, (0, 2), np.zeros_like(full))
    assert low <= 12 - 4
    assert high == 12  # the row's total stays


@quick
@given(tables(largest=15), st.data())
def test_everyone_in_one_cell_is_never_certain(inner, data):
    inner = np.array(inner)
    row = data.draw(st.integers(0, len(inner) - 1))
    place = data.draw(st.integers(0, inner.shape[1] - 1))
    inner[row] = 0
    inner[row, place] = data.draw(st.integers(5, 30))
    full = with_margins(inner)
    hidden = suppress_counts(counts_frame(inner), audience="internal").isna().to_numpy()
    assert hidden[row, :-1].all()
    empties = [c for c in range(inner.shape[1]) if c != place]
    assert max(possible(full, hidden, (row, c), np.zeros_like(full))[1] for c in empties) >= 1
    low, _ = possible(full, hidden, (row, place), np.zeros_like(full))
    assert low <= full[row, place] - 4 or hidden[row, -1]


def test_without_totals_only_small_cells_go():
    frame = pd.DataFrame([[3, 8, 9], [7, 6, 12], [9, 9, 9]], index=["a", "b", "c"])
    out = suppress_counts(frame, audience="internal", totals=False)
    assert out.isna().to_numpy().sum() == 1
    assert suppress_counts(frame, audience="internal").isna().to_numpy().sum() == 4


@pytest.mark.parametrize("inner", [[[3, 5], [2, 5]], [[4, 1], [7, 5]], [[5, 6, 10], [4, 1, 6], [5, 10, 6]]])
def test_complementary_cells_stay_open_too(inner):
    """Tables in which the small cells are safe before the others are."""
    frame = counts_frame(inner)
    assert_nobody_found(frame.to_numpy(), suppress_counts(frame, audience="internal").isna().to_numpy(), 5)


def test_three_way_counts_are_attacked_in_whole_numbers():
    rng = np.random.default_rng(5)
    inner = rng.integers(0, 12, (2, 2, 2))
    inner[0, 0, 0] = 2
    full = np.zeros((3, 3, 3), dtype=int)
    full[:2, :2, :2] = inner
    full[2] = full[:2].sum(axis=0)
    full[:, 2] = full[:, :2].sum(axis=1)
    full[:, :, 2] = full[:, :, :2].sum(axis=2)
    labels = ["a", "b", "All"]
    rows = pd.MultiIndex.from_product([labels, labels], names=["form", "wave"])
    out = suppress_counts(pd.DataFrame(full.reshape(9, 3), index=rows, columns=labels), audience="internal")
    hidden = out.isna().to_numpy().reshape(3, 3, 3)
    assert not ((full > 0) & (full < 5) & ~hidden).any()
    # With every total shown a 2 × 2 × 2 table has one free direction: alternate signs at the corners.
    if not hidden[2].any() and not hidden[:, 2].any() and not hidden[:, :, 2].any():
        corner = np.array([(-1) ** sum(place) for place in product((0, 1), repeat=3)]).reshape(2, 2, 2)
        reachable = {inner[0, 0, 0] + t for t in range(-20, 21) if (inner + t * corner >= 1).all()}
        assert hidden[:2, :2, :2].all()
        assert {1, 2, 3, 4} <= reachable


# --- Statistics tables -------------------------------------------------------------------------------


def by_form(**n):
    index = pd.Index(list(n), name="form")
    return pd.DataFrame({"n": list(n.values()), "mean": np.linspace(2, 4, len(n)), "sd": 1.0}, index=index)


@pytest.mark.parametrize(
    ("n", "hidden"),
    [
        ({"P": 3, "C": 40, "M": 2, "All": 45}, "PM"),  # together five: enough
        ({"P": 3, "C": 40, "M": 8, "All": 51}, "PM"),  # P alone would follow by subtraction
        ({"P": 3, "C": 40, "M": 8}, "PM"),  # the total is known from elsewhere
        ({"P": 6, "C": 40, "M": 8, "All": 54}, ""),
        ({"P": 0, "C": 40, "M": 8, "All": 48}, ""),  # nobody is no secret while nothing else is
        ({"P": 0, "C": 40, "M": 3, "D": 9, "All": 52}, "PMD"),
        ({"P": 10, "C": 40, "M": 20, "All": 72}, "PM"),  # two people without a form
        ({"P": 10, "C": 40, "M": 20, "All": 78}, ""),  # eight people without a form
        ({"P": 1, "C": 1, "M": 3, "All": 5}, ["P", "C", "M", "All"]),  # P could only be 1 to 3
    ],
)
def test_rows_that_go(n, hidden):
    table = by_form(**n)
    out = suppress_small_cells(table).table
    assert set(out.index[out["n"].isna()]) == set(hidden)
    assert out[out["n"].isna()].isna().all(axis=None)
    assert out[out["n"].notna()].notna().all(axis=None)


@quick
@given(tables(), AUDIENCES)
def test_no_row_can_be_found_by_subtraction(inner, audience):
    table = statistics_frame(inner)
    result = suppress_small_cells(table, audience=audience)
    hidden = result.table["n"].isna().to_numpy().reshape(np.shape(inner)[0] + 1, -1)
    assert_nobody_found(with_margins(inner), hidden, FLOORS[audience])
    assert audit(result.table, audience=audience, full=table)["protected"].all()


@quick
@given(st.lists(st.integers(0, 30), min_size=2, max_size=6), st.integers(0, 12), AUDIENCES)
def test_people_in_no_group_are_a_group_too(n, without, audience):
    floor = FLOORS[audience]
    table = by_form(**{f"g{i}": value for i, value in enumerate(n)}, All=sum(n) + without)
    once = suppress_small_cells(table, audience=audience)
    shown = once.table["n"].iloc[:-1].notna().to_numpy()
    total = once.table["n"].iloc[-1]
    if total is not pd.NA:
        rest = int(total) - sum(value for value, there in zip(n, shown, strict=True) if there)
        assert rest == 0 or rest >= floor
    again = suppress_small_cells(once.table, audience=audience).table
    pd.testing.assert_frame_equal(again, once.table)


def test_audit_finds_what_naive_suppression_gives_away():
    table = by_form(P=3, C=40, M=8, All=51)
    table.loc["All", "mean"] = (table["n"] * table["mean"]).iloc[:3].sum() / 51
    naive = table.astype({"n": "Int64"})
    naive.loc["P"] = pd.NA
    found = audit(naive, scale=(1, 5))
    assert found.loc[("P", "n"), ["low", "high"]].tolist() == [3, 3]
    assert found.loc[("P", "mean"), ["low", "high"]].tolist() == pytest.approx([2, 2], abs=1e-6)
    assert not found["protected"].any()
    good = audit(suppress_small_cells(table, scale=(1, 5)).table, scale=(1, 5), full=table)
    assert good["protected"].all()


@quick
@given(tables(3, 3), st.integers(0, 2**9))
def test_audit_bounds_are_those_of_the_other_attacker(inner, pattern):
    full = with_margins(inner)
    hidden = np.zeros(full.shape, dtype=bool)
    inside = [divmod(k, np.shape(inner)[1]) for k in range(np.size(inner)) if pattern >> k & 1]
    for place in inside:
        hidden[place] = True
    published = counts_frame(inner).astype("Int64").mask(hidden)
    found = audit_counts(published, audience="internal")
    bounds = [possible(full, hidden, place, np.zeros_like(full)) for place in inside]
    assert found["low"].tolist() == pytest.approx([low for low, _ in bounds], abs=1e-6)
    assert found["high"].tolist() == pytest.approx([high for _, high in bounds], abs=1e-6)


def test_means_are_bounded_as_by_hand():
    # P and M together: 3p + 8m = 11 × 4.5, so p = 5 gives m = 4.3125, and p is least where m is 5.
    table = pd.DataFrame(
        {"n": [3, 40, 8, 51], "mean": [4.5, 3.0, 4.5, (40 * 3 + 11 * 4.5) / 51]},
        index=pd.Index(["P", "C", "M", "All"], name="form"),
    )
    hidden = suppress_small_cells(table).table
    found = audit(hidden, scale=(1, 5), full=table)
    assert found.loc[("P", "mean"), "low"] == pytest.approx((11 * 4.5 - 40) / 3)
    assert found.loc[("P", "mean"), "high"] == pytest.approx(5)
    # Not knowing how P and M share the eleven: p is least where m is 5 and P is largest, ten people.
    assert audit(hidden, scale=(1, 5)).loc[("P", "mean"), "low"] == pytest.approx(1)


def test_a_mean_at_the_end_of_the_scale_hides_more():
    table = pd.DataFrame(
        {"n": [3, 8, 12, 40, 63], "mean": [4.95, 4.95, 3.0, 3.0, (11 * 4.95 + 52 * 3) / 63]},
        index=pd.Index(["P", "M", "D", "C", "All"], name="form"),
    )
    assert suppress_small_cells(table).table["n"].isna().sum() == 2
    out = suppress_small_cells(table, scale=(1, 5)).table
    assert list(out.index[out["n"].isna()]) == ["P", "M", "D"]
    found = audit(out, scale=(1, 5), full=table).loc[("P", "mean")]
    assert found["high"] - found["low"] >= MEAN_WIDTH * 4


@quick
@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1)), min_size=1, max_size=5), AUDIENCES)
def test_percentages_show_no_small_count(rows, audience):
    floor = FLOORS[audience]
    n = np.array([size for size, _ in rows] + [0])
    yes = np.array([round(size * share) for size, share in rows] + [0])
    n[-1], yes[-1] = n.sum(), yes.sum()
    table = pd.DataFrame({"n": n, "percent": 100.0}, index=pd.Index([*range(len(rows)), "All"], name="form"))
    table["percent"] = np.where(n > 0, 100 * yes / np.maximum(n, 1), 0.0)
    out = suppress_small_cells(table, audience=audience).table
    shown = out["percent"].notna().to_numpy() & (n > 0)
    for count in (yes[shown], (n - yes)[shown]):
        assert (count >= floor).all()
    pd.testing.assert_frame_equal(suppress_small_cells(out, audience=audience).table, out)
    if shown[-1]:  # all others, by subtraction
        for count in (yes, n - yes):
            rest = count[-1] - count[:-1][shown[:-1]].sum()
            assert rest == 0 or rest >= floor


def test_frames_without_index_are_told_apart_by_their_text():
    table = pd.DataFrame({"group": ["P", "C", "M"], "n": [3, 40, 20], "mean": [2.0, 3.0, 4.0]})
    out = suppress_small_cells(table).table
    assert out["group"].tolist() == ["P", "C", "M"]
    assert out["n"].isna().tolist() == [True, False, True]


def test_items_are_not_added_up():
    table = pd.DataFrame({"n": [4, 40, 39], "mean": [2.0, 3.0, 4.0]}, index=pd.Index(["a", "b", "c"], name="item"))
    assert suppress_small_cells(table).table["n"].isna().tolist() == [True, False, False]
    assert suppress_small_cells(table, margins=["item"]).table["n"].isna().tolist() == [True, False, True]


def test_families_withhold_the_same_groups():
    """The same people answer each subscale: one that hides M and one that hides D would give both back."""
    sizes = {"s1": [3, 12, 13, 40], "s2": [3, 13, 12, 40], "s3": [3, 12, 12, 40]}
    index = pd.MultiIndex.from_product([sizes, ["P", "M", "D", "C"]], names=["subscale", "form"])
    table = pd.DataFrame({"n": np.concatenate(list(sizes.values())), "mean": 3.0}, index=index)
    hidden = suppress_small_cells(table).table["n"].isna().unstack()
    assert (hidden == hidden.iloc[0]).all(axis=None)
    assert hidden.sum(axis=1).tolist() == [2, 2, 2]


def test_both_counts_of_a_change_are_looked_at():
    table = pd.DataFrame(
        {"n_before": [4, 30, 12], "n_after": [9, 30, 12], "estimate": [1.0, 2.0, 3.0], "note": ["x", "y", "z"]},
        index=pd.Index(["P", "C", "M"], name="form"),
    )
    out = suppress_small_cells(table, count=["n_before", "n_after"], keep=["note"])
    assert out.table["estimate"].isna().tolist() == [True, False, True]
    assert out.table["note"].tolist() == ["x", "y", "z"]
    assert out.hidden["n_after"].tolist() == [True, False, True]


def test_results_keep_their_kind():
    @dataclass(frozen=True, kw_only=True, eq=False, repr=False)
    class Comparison(Result):
        pairs: pd.DataFrame
        loadings: pd.DataFrame

    table = by_form(P=3, C=40, M=8)
    given_result = Comparison(title="t", table=table, method="m", notes=("a",), pairs=table, loadings=table[["sd"]])
    out = suppress_small_cells(given_result)
    assert type(out) is Comparison
    assert out.pairs["n"].isna().tolist() == out.table["n"].isna().tolist() == [True, False, True]
    assert out.notes[0] == "a"
    assert any("withheld" in note for note in out.notes)
    assert any("'loadings'" in note for note in out.notes)
    assert given_result.table["n"].tolist() == [3, 40, 8]
    again = suppress_small_cells(out)
    assert again.notes == out.notes
    suppressed = suppress_small_cells(table)
    assert isinstance(suppressed, Suppressed)
    twice = suppress_small_cells(suppressed)
    assert isinstance(twice, Suppressed)
    pd.testing.assert_frame_equal(twice.hidden, suppressed.hidden)
    assert twice.notes == suppressed.notes


def test_the_note_does_not_tell_small_from_complementary():
    one = suppress_small_cells(by_form(P=3, C=40, M=8, All=51)).notes
    two = suppress_small_cells(by_form(P=3, C=40, M=2, All=45)).notes
    assert one == two


def test_inputs_stay_as_they_are():
    table, frame = by_form(P=3, C=40, M=8), counts_frame([[3, 8], [9, 12]])
    copies = table.copy(), frame.copy()
    suppress_small_cells(table, audience="external")
    suppress_counts(frame, audience="external")
    suppress_distributions(frame.iloc[:-1, :-1], audience="external")
    pd.testing.assert_frame_equal(table, copies[0])
    pd.testing.assert_frame_equal(frame, copies[1])


def test_empty_tables_pass():
    empty = pd.DataFrame()
    assert suppress_small_cells(empty).table.empty
    assert suppress_small_cells(by_form(P=3).iloc[:0]).table.empty
    assert suppress_counts(empty, audience="internal").empty
    assert suppress_percentages(empty, pd.Series(dtype=float), audience="internal").empty
    assert suppress_distributions(empty, audience="internal").empty
    assert audit(empty).empty
    assert audit_counts(empty, audience="internal").empty


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"mean": [1.0]}, index=pd.Index(["P"], name="form")), "no column 'n'"),
        (by_form(P=3).assign(n=-1), "whole numbers of people"),
        (by_form(P=3).assign(n=2.5), "whole numbers of people"),
        (by_form(P=3).assign(n=np.nan), "missing count beside statistics"),
        (by_form(P=3).assign(n="three"), "must hold counts"),
        (pd.concat([by_form(P=3), by_form(P=4)]), "more than once"),
        (by_form(All=3, Total=4), "totals of the same level"),
    ],
)
def test_tables_that_are_refused(table, message):
    with pytest.raises(ValueError, match=message):
        suppress_small_cells(table)


def test_other_refusals():
    with pytest.raises(ValueError, match="audience"):
        suppress_small_cells(by_form(P=3), audience="public")
    with pytest.raises(ValueError, match="margins"):
        suppress_small_cells(by_form(P=3), margins=["team"])
    with pytest.raises(ValueError, match="keep"):
        suppress_small_cells(by_form(P=3), keep=["team"])
    with pytest.raises(ValueError, match="missing count"):
        suppress_counts(pd.DataFrame({"a": [1.0, np.nan]}), audience="internal")
    with pytest.raises(ValueError, match="more than once"):
        suppress_counts(pd.DataFrame([[1, 2]], columns=["a", "a"]), audience="internal")
    with pytest.raises(ValueError, match="sum to 100"):
        suppress_percentages(pd.DataFrame({"a": [50.0]}), pd.Series([20]), audience="internal")
    with pytest.raises(ValueError, match="whole numbers"):
        suppress_distributions(pd.DataFrame({"a": [-1]}), audience="internal")
    with pytest.raises(ValueError, match="between 0 and all"):
        safe_subset(5, 4, 5)


# --- Percentages and distributions -------------------------------------------------------------------


@quick
@given(tables(4, 4, largest=40), AUDIENCES)
def test_a_table_of_percentages_is_a_table_of_counts(inner, audience):
    inner = np.array(inner)
    n = inner.sum(axis=1)
    percent = pd.DataFrame(100 * inner / np.maximum(n, 1)[:, None])
    out = suppress_percentages(percent, pd.Series(n), audience=audience)
    shown = out.notna().to_numpy()
    assert not ((inner > 0) & (inner < FLOORS[audience]) & shown).any()
    assert not shown[(n > 0) & (n < FLOORS[audience])].any()


def test_categories_are_merged_as_little_as_needed():
    index = pd.Index(["fine", "ends", "both", "one", "few", "same", "none"], name="item")
    rows = [
        [6, 8, 9, 7, 5],
        [2, 4, 9, 20, 11],
        [2, 4, 9, 4, 3],
        [0, 0, 3, 3, 8],
        [1, 1, 1, 1, 0],
        [0, 0, 0, 20, 0],
        [0, 0, 0, 0, 0],
    ]
    out = suppress_distributions(pd.DataFrame(rows, index=index, columns=range(1, 6)), audience="internal")
    labels = out.reset_index("categories").groupby("item", sort=False)["categories"].agg(list)
    assert labels["fine"] == ["1", "2", "3", "4", "5"]
    assert labels["ends"] == ["1–2", "3", "4", "5"]
    assert labels["both"] == ["1–2", "3", "4–5"]
    # Nobody chose 1 or 2: shown apart, that would say of each person what they did not answer.
    assert labels["one"] == ["1–4", "5"]
    assert labels["few"] == labels["same"] == labels["none"] == ["withheld"]
    assert out.loc[("ends", "1–2"), "count"] == 6
    assert out.loc[("ends", "1–2"), "percent"] == pytest.approx(100 * 6 / 46)
    assert out.loc[("few", "withheld"), "n"] is pd.NA
    assert out.loc[("same", "withheld"), "n"] == 20
    # "Unanimous" would tell what each person answered: the reason is the same as where no merge is found.
    assert out.loc[("same", "withheld"), "note"] == "withheld: no merging of categories gives 5 people each"


distributions = st.lists(st.lists(st.integers(0, 15), min_size=5, max_size=5), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(distributions, st.booleans(), st.lists(st.integers(0, 3), min_size=5, max_size=5), AUDIENCES)
def test_no_difference_of_distributions_shows_a_few_people(groups, with_total, without, audience):
    floor = FLOORS[audience]
    everyone = np.sum([*groups, without if with_total else [0] * 5], axis=0)
    names = [f"g{i}" for i in range(len(groups))] + ["All"] * with_total
    index = pd.MultiIndex.from_product([["q"], names], names=["item", "form"])
    frame = pd.DataFrame([*groups, *([everyone] if with_total else [])], index=index, columns=range(1, 6))
    out = suppress_distributions(frame, audience=audience, group="form")
    counts = out["count"].dropna()
    assert (counts >= floor).all()
    sizes = out["n"].dropna()
    assert ((sizes == 0) | (sizes >= floor)).all()
    for _, part in out[out["count"].notna()].groupby("form"):
        assert (part["count"] > 0).sum() >= 2
        assert part["count"].sum() == part["n"].iloc[0]
    # Everyone minus any shown groups, wherever their merged categories agree.
    shown = {form: part.droplevel(["item", "form"])["count"] for form, part in out.groupby("form", sort=False)}
    total = shown.pop("All", None)
    shown = {form: part for form, part in shown.items() if part.notna().all()}
    if total is None and shown:
        labels = next(iter(shown.values())).index
        total = pd.Series(
            [sum(everyone[int(c) - 1] for c in range(int(x.split("–")[0]), int(x.split("–")[-1]) + 1)) for x in labels],
            index=labels,
        )
    for size in range(len(shown) + 1):
        for some in combinations(shown.values(), size):
            if total is None or total.isna().any() or any(not part.index.equals(total.index) for part in some):
                continue
            rest = total - sum(some) if some else total
            assert ((rest == 0) | (rest >= floor)).all()


def test_a_distribution_needs_one_level_of_groups():
    index = pd.MultiIndex.from_product([["q", "All"], ["P", "C"]], names=["item", "form"])
    frame = pd.DataFrame(9, index=index, columns=range(1, 6))
    with pytest.raises(ValueError, match="row of totals"):
        suppress_distributions(frame, audience="internal", group="form")
    with pytest.raises(ValueError, match="levels are"):
        suppress_distributions(frame, audience="internal", group="team")


# --- Groups ------------------------------------------------------------------------------------------


def people_of(**n):
    return pd.DataFrame({"form": [form for form, size in n.items() for _ in range(size)]})


@pytest.mark.parametrize(
    ("n", "shown"),
    [({"P": 3, "C": 40, "M": 2}, "C"), ({"P": 3, "C": 40, "M": 8}, "C"), ({"P": 5, "C": 40, "M": 8}, "PCM")],
)
def test_groups_that_may_be_shown(n, shown):
    groups = safe_groups(people_of(**n), ["form"], audience="internal")
    assert groups.shown == {(form,) for form in shown}
    assert bool(groups.note) == (len(shown) < 3)


def test_teams_are_judged_within_their_organisation():
    people = pd.DataFrame(
        [("N", "a")] * 3
        + [("N", "b")] * 9
        + [("N", "c")] * 20
        + [("S", "a")] * 7
        + [("T", "a")] * 2
        + [("T", "b")] * 2,
        columns=["organisation", "team"],
    )
    shown = safe_groups(people, ["organisation", "team"], audience="internal").shown
    # T has four people, so S goes with it; in N, team a takes b with it.
    assert shown == {("N",), ("N", "c")}


def test_people_without_a_label_are_left_over():
    people = pd.DataFrame({"form": ["C"] * 30 + ["M"] * 8 + [None] * 2})
    assert safe_groups(people, ["form"], audience="internal").shown == {("C",)}
    assert safe_groups(people.iloc[:-2], ["form"], audience="internal").shown == {("C",), ("M",)}


@quick
@given(st.lists(st.lists(st.integers(0, 25), min_size=4, max_size=4), min_size=1, max_size=2), AUDIENCES)
def test_nobody_is_left_over_in_either_wave(sizes, audience):
    floor = FLOORS[audience]
    people = pd.DataFrame(
        [(wave, form) for wave, row in enumerate(sizes) for form, size in enumerate(row) for _ in range(size)],
        columns=["wave", "form"],
    )
    shown = {form for (form,) in safe_groups(people, ["form"], audience=audience, wave="wave").shown}
    for row in sizes:
        rest = sum(size for form, size in enumerate(row) if form not in shown)
        assert rest == 0 or rest >= floor or not shown
        assert all(row[form] >= floor for form in shown) or sum(row) == 0
    inside = {form for (form,) in safe_groups(people, ["form"], audience="internal", wave="wave").shown}
    assert shown <= inside


def test_group_refusals():
    with pytest.raises(ValueError, match="list of columns"):
        safe_groups(people_of(P=3), "form", audience="internal")
    with pytest.raises(ValueError, match="no column 'team'"):
        safe_groups(people_of(P=3), ["team"], audience="internal")
    assert safe_groups(people_of(P=3).iloc[:0], ["form"], audience="internal").shown == frozenset()


@pytest.mark.parametrize(
    ("subset", "whole", "floor", "safe"),
    [
        (20, 20, 5, True),
        (20, 24, 5, False),
        (20, 25, 5, True),
        (4, 30, 5, False),
        (12, 21, 10, False),
        (0, 0, 5, False),
    ],
)
def test_a_subset_beside_the_whole(subset, whole, floor, safe):
    assert safe_subset(subset, whole, floor) is safe

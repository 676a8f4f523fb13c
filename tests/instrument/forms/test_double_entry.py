"""Two people key the same sheets: every difference is told, nothing is final before all are settled."""

import csv
import io
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from instrument import read_instrument, read_responses
from instrument.forms.double_entry import compare_entries
from instrument.forms.keying_sheet import keyed_columns, write_keying_sheet
from instrument.forms.settling import settle, write_settled, write_settling
from instrument.responses import ResponseError
from instrument.survey import build_survey

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture(scope="module")
def pwiq():
    return read_instrument("pwiq")


@pytest.fixture(scope="module")
def survey(pwiq):
    return build_survey(pwiq, forms=["PS"], follow_up=True, wave=2)


@pytest.fixture
def keyed(survey, tmp_path):
    """Write what somebody keyed: sheet → answers, each sheet filled in unless the answers say otherwise."""

    def write(name, sheets, *, prepared=0):
        path = tmp_path / name
        columns = [column.id for column in keyed_columns(survey, language="en")]
        given = {column.id: column.given for column in keyed_columns(survey, language="en")}
        rows = []
        for sheet, answers in sheets:
            usual = {question.id: "4" for question in survey.questions() if question.role == "item"}
            rows.append(given | usual | {"response": sheet} | answers)
        rows += [given] * prepared
        with path.open("w", newline="", encoding="utf-8") as file:
            extra = [name for _, answers in sheets for name in answers if name not in columns]
            writer = csv.DictWriter(file, [*columns, *dict.fromkeys(extra)], restval="")
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


def filled_in(path, decide):
    """Fill in the settling file: `decide` gives the value for a row."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["settled"] = decide(row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def cells(comparison):
    return [tuple(row) for row in comparison.disagreements[["sheet", "column", "a", "b"]].itertuples(index=False)]


def test_equal_tables_are_settled_at_once_and_read_unchanged(pwiq, keyed, tmp_path):
    asked = list(pwiq.asked_by("PS"))
    sheets = [("1", {"open1": "Time, and a desk", "code1": "m"}), ("2", {asked[0]: "97", asked[1]: ""})]
    a, b = keyed("a.csv", sheets), keyed("b.csv", sheets, prepared=3)
    comparison = compare_entries(a, b, pwiq)
    assert comparison.disagreements.empty
    assert comparison.faults == ()
    assert comparison.sheets == 2
    done = settle(comparison)
    write_settled(done, tmp_path / "final.csv", record=tmp_path / "record.csv")
    read = read_responses(tmp_path / "final.csv", pwiq)
    assert read.answers.index.tolist() == ["1", "2"]
    assert read.people["wave"].tolist() == [2, 2]
    assert read.people["form"].tolist() == ["PS", "PS"]
    assert read.people.loc["1", "open1"] == "Time, and a desk"
    assert read.people.loc["1", "code1"] == "M"
    assert (read.answers.loc["1", asked] == 4).all()
    assert read.off_scale.loc["2", asked[0]] == "dont_know"
    assert read.answers.loc["2", asked[:2]].isna().all()
    assert (done.record["differed"] == 0).all()


def test_every_disagreement_is_told_with_sheet_item_and_both_values(pwiq, survey, keyed):
    first, second = [question.id for question in survey.questions() if question.role == "item"][:2]
    a = keyed("a.csv", [("1", {first: "4", second: "2"}), ("2", {first: "97"})])
    b = keyed("b.csv", [("2", {first: ""}), ("1", {first: "5", second: "2.0"})])  # in another order
    comparison = compare_entries(a, b, pwiq)
    assert cells(comparison) == [("1", first, "4", "5"), ("2", first, "97", "")]
    told = str(comparison)
    assert f"sheet '1', {first}: '4' in a.csv (row 2), '5' in b.csv (row 3)" in told
    assert f"sheet '2', {first}: '97' in a.csv (row 3), blank in b.csv (row 2)" in told
    assert "2 sheets compared" in told
    assert pwiq.items[first].text["en"] in comparison.disagreements["question"].tolist()


def test_what_means_the_same_is_no_disagreement(pwiq, survey, keyed):
    item = next(question.id for question in survey.questions() if question.role == "item")
    sheets = {
        item: ("4", "Agree"),
        "stay": ("NA", ""),
        "code2": ("x", "X"),
        "open1": ("More time – please!", "more  time, please"),
        "progparts1": ("1", "1.0"),
        "progparts2": ("", "0"),
        "form": ("ps", "PS"),
    }
    a = keyed("a.csv", [("007", {name: pair[0] for name, pair in sheets.items()})])
    b = keyed("b.csv", [("7", {name: pair[1] for name, pair in sheets.items()})])
    comparison = compare_entries(a, b, pwiq)
    assert cells(comparison) == []
    table = settle(comparison).table
    assert table["response"].tolist() == ["7"]
    assert table.loc[0, "open1"] == "More time – please!"
    assert (table.loc[0, "progparts1"], table.loc[0, "progparts2"], table.loc[0, "progparts6"]) == ("1", "0", "0")


def test_a_wave_that_nobody_keyed_is_left_to_whoever_reads_the_file(pwiq, keyed):
    blank, said = [("1", {"wave": ""}), ("2", {"wave": ""})], [("1", {"wave": ""}), ("2", {"wave": "1"})]
    assert "wave" not in settle(compare_entries(keyed("a.csv", blank), keyed("b.csv", blank), pwiq)).table
    with pytest.raises(ResponseError, match="sheet '1', wave: the cell is empty"):
        settle(compare_entries(keyed("c.csv", said), keyed("d.csv", said), pwiq))


def test_other_words_in_open_answers_and_other_letters_differ(pwiq, keyed):
    a = keyed("a.csv", [("1", {"open1": "more time", "code1": "A", "team": "north"})])
    b = keyed("b.csv", [("1", {"open1": "more money", "code1": "B", "team": "North"})])
    assert [cell[1] for cell in cells(compare_entries(a, b, pwiq))] == ["team", "open1", "code1"]


def test_missing_and_doubled_sheets_are_told_and_stop_everything(pwiq, keyed, tmp_path):
    a = keyed("a.csv", [("1", {}), ("2", {}), ("3", {}), ("3", {})])
    b = keyed("b.csv", [("1", {}), ("3", {}), ("4", {}), ("05", {}), ("5", {})])
    comparison = compare_entries(a, b, pwiq)
    assert (comparison.only_in_a, comparison.only_in_b) == (("2",), ("4", "5"))
    assert (comparison.doubled_in_a, comparison.doubled_in_b) == (("3",), ("5",))
    assert comparison.sheets == 1
    assert comparison.faults == (
        "a.csv:3:response: sheet '2' is not in b.csv; key it there too, or correct the number",
        "a.csv:4:response: sheet '3' stands in rows 4 and 5; give each sheet its own number, or remove what was keyed twice",
        "b.csv:4:response: sheet '4' is not in a.csv; key it there too, or correct the number",
        "b.csv:5:response: sheet '5' is not in a.csv; key it there too, or correct the number",
        "b.csv:5:response: sheet '5' stands in rows 5 and 6; give each sheet its own number, or remove what was keyed twice",
    )
    assert all(fault in str(comparison) for fault in comparison.faults)
    for stop in (lambda: settle(comparison), lambda: write_settling(comparison, tmp_path / "settle.csv")):
        with pytest.raises(ResponseError) as caught:
            stop()
        assert set(comparison.faults) <= set(caught.value.faults)
    assert not (tmp_path / "settle.csv").exists()


def test_what_is_no_answer_has_to_be_settled_even_if_both_keyed_it(pwiq, survey, keyed, tmp_path):
    first, second = [question.id for question in survey.questions() if question.role == "item"][:2]
    not_asked = next(item.id for item in pwiq.items if "PS" not in item.forms)
    a = keyed("a.csv", [("1", {first: "7", second: "44", not_asked: "3", "progparts1": "2", "wave": "0"})])
    b = keyed("b.csv", [("1", {first: "7", second: "4", not_asked: "3", "progparts1": "2", "wave": "0"})])
    comparison = compare_entries(a, b, pwiq)
    why = dict(zip(comparison.disagreements["column"], comparison.disagreements["why"], strict=True))
    assert set(why) == {first, second, not_asked, "progparts1", "wave"}
    assert "'7' is not an answer; allowed are 1–5" in why[first]
    assert "'44' is not an answer" in why[second]
    assert "form PS does not ask this" in why[not_asked]
    write_settling(comparison, tmp_path / "settle.csv")
    filled_in(tmp_path / "settle.csv", lambda row: {first: "9", not_asked: "3", "wave": "2"}.get(row["column"], "1"))
    with pytest.raises(ResponseError) as caught:
        settle(comparison, tmp_path / "settle.csv")
    assert len(caught.value.faults) == 1
    assert f"{first!r}: '9' is not an answer" in str(caught.value)
    filled_in(tmp_path / "settle.csv", lambda row: {not_asked: "3", "wave": "2"}.get(row["column"], "1"))
    with pytest.raises(ResponseError, match=f"sheet '1', {not_asked}: '3' answers an item that form PS does not ask"):
        settle(comparison, tmp_path / "settle.csv")
    filled_in(tmp_path / "settle.csv", lambda row: {not_asked: ".", "wave": "2"}.get(row["column"], "1"))
    done = settle(comparison, tmp_path / "settle.csv")
    record = done.record.set_index("column")
    assert record.loc[[first, second], ["compared", "differed", "not_allowed"]].to_numpy().tolist() == [
        [1, 0, 1],
        [1, 1, 0],
    ]
    assert record.loc[second, "rate"] == 1


def test_nothing_is_final_until_all_is_settled(pwiq, survey, keyed, tmp_path):
    items = [question.id for question in survey.questions() if question.role == "item"][:3]
    a = keyed("a.csv", [("1", dict.fromkeys(items, "4")), ("2", {})])
    b = keyed("b.csv", [("1", dict.fromkeys(items, "2")), ("2", {})])
    comparison = compare_entries(a, b, pwiq)
    with pytest.raises(ResponseError) as caught:
        settle(comparison)
    assert len(caught.value.faults) == 3
    path = tmp_path / "settle.csv"
    write_settling(comparison, path)
    with pytest.raises(ValueError, match="somebody may have begun to settle"):
        write_settling(comparison, path)
    with pytest.raises(ResponseError) as caught:
        settle(comparison, path)
    assert sum("not settled" in fault for fault in caught.value.faults) == 3
    filled_in(path, lambda row: {items[0]: "3", items[1]: "."}.get(row["column"], ""))
    with pytest.raises(ResponseError) as caught:
        settle(comparison, path)
    assert [fault.split(": ")[1] for fault in caught.value.faults] == [f"sheet '1', {items[2]!r}"]
    filled_in(path, lambda row: {items[0]: "3", items[1]: ".", items[2]: "Disagree"}[row["column"]])
    done = settle(comparison, path)
    write_settled(done, tmp_path / "final.csv", record=tmp_path / "record.csv")
    read = read_responses(tmp_path / "final.csv", pwiq)
    assert read.answers.loc["1", items].tolist()[0::2] == [3, 2]
    assert pd.isna(read.answers.loc["1", items[1]])
    record = pd.read_csv(tmp_path / "record.csv", keep_default_na=False).set_index("column")
    assert record.loc[items, "rate"].tolist() == [0.5, 0.5, 0.5]
    assert record.loc[items, "compared"].tolist() == [2, 2, 2]
    assert record.loc["", "differed"] == 3
    assert not {"a", "b", "sheet", "keyer"} & set(record.columns)


@pytest.mark.parametrize("seed", range(4))
def test_the_record_agrees_with_counting_cell_by_cell(pwiq, survey, keyed, tmp_path, seed):
    chance = np.random.default_rng(seed)
    items = [question.id for question in survey.questions() if question.role == "item"]
    codes = ["1", "2", "3", "4", "5", "97", ""]

    def slip(answers):
        return {item: str(chance.choice(codes)) if chance.random() < 0.15 else code for item, code in answers.items()}

    on_paper = {str(sheet): {item: str(chance.choice(codes)) for item in items} for sheet in range(1, 13)}
    first, second = ({sheet: slip(answers) for sheet, answers in on_paper.items()} for _ in range(2))
    order = list(second)
    chance.shuffle(order)
    a = keyed("a.csv", list(first.items()))
    b = keyed("b.csv", [(sheet, second[sheet]) for sheet in order])
    comparison = compare_entries(a, b, pwiq)
    write_settling(comparison, tmp_path / "settle.csv")
    filled_in(tmp_path / "settle.csv", lambda row: on_paper[row["sheet"]][row["column"]] or ".")
    done = settle(comparison, tmp_path / "settle.csv")
    differed = {item: sum(first[sheet][item] != second[sheet][item] for sheet in on_paper) for item in items}
    record = done.record.set_index("column")
    assert sum(differed.values()) > 10
    assert record["differed"].to_dict() == dict.fromkeys(record.index, 0) | differed | {"": sum(differed.values())}
    assert (record.loc[items, "compared"] == 12).all()
    assert record.loc[items, "rate"].tolist() == [round(count / 12, 6) for count in differed.values()]
    asked = len(keyed_columns(survey, language="en")) - 1  # all but the sheet's number
    assert record.loc["", "compared"] == 12 * asked
    assert record.loc["", "rate"] == round(sum(differed.values()) / (12 * asked), 6)
    # What was settled is what stands on the paper, but for slips that both made alike.
    table = done.table.set_index("response")
    alike = [(sheet, item) for sheet in on_paper for item in items if first[sheet][item] == second[sheet][item]]
    for sheet in on_paper:
        for item in items:
            wanted = first[sheet][item] if (sheet, item) in alike else on_paper[sheet][item]
            assert table.loc[sheet, item] == wanted


def test_files_that_a_spreadsheet_saved_its_own_way_are_read(pwiq, survey, keyed, tmp_path):
    item = next(question.id for question in survey.questions() if question.role == "item")
    a = keyed("a.csv", [("1", {"open1": "Más tiempo; «y» un escritorio", item: "4"}), ("2", {})], prepared=2)
    b = keyed("b.csv", [("1", {"open1": "Más tiempo; «y» un escritorio", item: "5"}), ("2", {})])

    def saved_anew(path, encoding):
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
        with path.open("w", newline="", encoding=encoding) as file:
            csv.writer(file, delimiter=";", quoting=csv.QUOTE_ALL).writerows(rows)

    saved_anew(a, "cp1252")
    saved_anew(b, "utf-16")
    comparison = compare_entries(a, b, pwiq)
    assert cells(comparison) == [("1", item, "4", "5")]
    write_settling(comparison, tmp_path / "settle.csv")
    filled_in(tmp_path / "settle.csv", lambda _: "5")
    saved_anew(tmp_path / "settle.csv", "cp1252")
    assert settle(comparison, tmp_path / "settle.csv").table[item].tolist() == ["5", "4"]


def test_sheets_of_an_older_print_are_told_apart_by_their_version(pwiq, keyed):
    old, new = [("1", {"version": "0.1.9"})], [("1", {})]
    comparison = compare_entries(keyed("a.csv", old), keyed("b.csv", new), pwiq)
    assert cells(comparison) == [("1", "version", "0.1.9", pwiq.version)]


def test_a_settling_file_that_does_not_fit_is_refused_with_all_its_faults(pwiq, survey, keyed, tmp_path):
    items = [question.id for question in survey.questions() if question.role == "item"][:4]
    a = keyed("a.csv", [("1", dict.fromkeys(items, "4"))])
    b = keyed("b.csv", [("1", dict.fromkeys(items, "2"))])
    path = tmp_path / "settle.csv"
    write_settling(compare_entries(a, b, pwiq), path)
    text = path.read_text(encoding="utf-8-sig").splitlines()
    text = [line + "3" if number else line for number, line in enumerate(text)]
    text[2] = text[2].replace(",2,", ",5,")  # the second table was another one
    text.append(text[1])  # settled twice
    text.append("9,roleaf,,4,2,differ,3")  # not there
    del text[4]
    path.write_text("\n".join(text), encoding="utf-8")
    with pytest.raises(ResponseError) as caught:
        settle(compare_entries(a, b, pwiq), path)
    told = str(caught.value)
    assert len(caught.value.faults) == 4
    for part in ("tables were changed", "settled twice", "do not differ there", f"{items[3]!r}: not in the file"):
        assert part in told
    path.write_text("sheet,column\n1,roleaf\n", encoding="utf-8")
    with pytest.raises(ResponseError, match="settled: there is no such column"):
        settle(compare_entries(a, b, pwiq), path)


def test_formulas_stay_text_all_the_way(pwiq, keyed, tmp_path):
    a = keyed("a.csv", [("1", {"open1": '=HYPERLINK("http://x","y")', "team": "-north"})])
    b = keyed("b.csv", [("1", {"open1": "@SUM(A1)", "team": "-north"})])
    comparison = compare_entries(a, b, pwiq)
    path = tmp_path / "settle.csv"
    write_settling(comparison, path)
    with path.open(newline="", encoding="utf-8-sig") as file:
        (row,) = csv.DictReader(file)
    assert row["a"].startswith("'=")
    assert row["b"].startswith("'@")
    filled_in(path, lambda row: row["a"])
    write_settled(settle(comparison, path), tmp_path / "final.csv", record=tmp_path / "record.csv")
    with (tmp_path / "final.csv").open(newline="", encoding="utf-8") as file:
        (final,) = csv.DictReader(file)
    assert final["open1"] == '\'=HYPERLINK("http://x","y")'
    assert final["team"] == "'-north"


def test_apostrophes_that_somebody_wrote_are_kept(pwiq, keyed, tmp_path):
    texts = ["'=so called='", "''-", "'tis", "=1", "'"]
    a = keyed("a.csv", [(str(number), {"open1": text}) for number, text in enumerate(texts)])
    b = keyed("b.csv", [(str(number), {"open1": "other"}) for number in range(len(texts))])
    comparison, path = compare_entries(a, b, pwiq), tmp_path / "settle.csv"
    write_settling(comparison, path)
    filled_in(path, lambda row: row["a"])
    write_settled(settle(comparison, path), tmp_path / "final.csv", record=tmp_path / "record.csv")
    assert read_responses(tmp_path / "final.csv", pwiq).people["open1"].tolist() == texts


def test_tables_that_cannot_be_compared_are_refused_with_all_faults_of_both(pwiq, survey, keyed, tmp_path):
    a = keyed("a.csv", [("", {"stay": "1"}), ("2", {"Roleaf": "1"}), ("02", {})])
    b = keyed("b.csv", [("2026-11-22", {})])
    with pytest.raises(ResponseError) as caught:
        compare_entries(a, b, pwiq)
    told = str(caught.value)
    for part in ("a.csv:2:response: answers without a sheet's number", "a.csv:1:Roleaf: rename it 'roleaf'"):
        assert part in told
    assert "b.csv:2:response: '2026-11-22' is a date" in told
    assert "a.csv:3:response: sheet '2' stands in rows 3 and 4" in told
    other = keyed("other.csv", [("1", {"form": "P"})])
    with pytest.raises(
        ResponseError, match=r"a2\.csv holds form PS, other\.csv form P; compare two tables of the same form"
    ):
        compare_entries(keyed("a2.csv", [("1", {})]), other, pwiq)
    empty = keyed("c.csv", [], prepared=5)
    with pytest.raises(ResponseError, match="nothing was keyed"):
        compare_entries(a, empty, pwiq)
    one, two = keyed("one.csv", [("1", {})]), keyed("two.csv", [("1", {"tenurerole": "1", "indubb": "3"})])
    two.write_text(two.read_text().replace("stay", "elsewhere"))
    with pytest.raises(ResponseError) as caught:
        compare_entries(one, two, pwiq)
    assert "two.csv:1:stay: there is no such column" in str(caught.value)
    with pytest.raises(ResponseError, match="the same file was given twice"):
        compare_entries(one, one, pwiq)
    with pytest.raises(FileNotFoundError, match=r"nothing\.csv"):
        compare_entries(one, tmp_path / "nothing.csv", pwiq)


def test_who_keyed_is_not_taken_over(pwiq, keyed):
    a = keyed("a.csv", [("1", {"keyer": "first person"})])
    b = keyed("b.csv", [("1", {"keyer": "second person"})])
    comparison = compare_entries(a, b, pwiq)
    assert comparison.left_out == ("keyer",)
    assert "not taken over: 'keyer'" in str(comparison)
    done = settle(comparison)
    assert "keyer" not in done.table
    assert "keyer" not in done.record["column"].tolist()


def test_items_that_nobody_keyed_are_missed_before_the_file_is_written(pwiq, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("response,form,roleaf\n1,P,4\n", encoding="utf-8")
    comparison = compare_entries(tmp_path / "a.csv", tmp_path / "b.csv", pwiq)
    with pytest.raises(ResponseError, match="the settled table: roleab"):
        settle(comparison)


def test_files_that_exist_are_not_replaced_and_nothing_is_half_written(pwiq, keyed, tmp_path, monkeypatch):
    a, b = keyed("a.csv", [("1", {})]), keyed("b.csv", [("1", {})])
    done = settle(compare_entries(a, b, pwiq))
    final, record = tmp_path / "final.csv", tmp_path / "record.csv"
    with pytest.raises(ValueError, match="exists; give another name"):
        write_settled(done, a, record=record)
    with pytest.raises(ValueError, match="two names that end with"):
        write_settled(done, final, record=final)
    with pytest.raises(ValueError, match="two names that end with"):
        write_settled(done, tmp_path / "final.xlsx", record=record)
    module = "instrument.forms.settling.write_whole"
    from instrument.files import write_whole

    def full(path, content):
        if path == final:
            raise OSError("No space left on device")
        write_whole(path, content)

    monkeypatch.setattr(module, full)
    with pytest.raises(OSError, match="No space"):
        write_settled(done, final, record=record)
    assert not final.exists()
    assert not record.exists()


def test_the_keying_sheet_has_what_is_printed_in_its_order(survey, tmp_path):
    path = tmp_path / "sheet.xlsx"
    write_keying_sheet(survey, path, sheets=5, language="es")
    book = openpyxl.load_workbook(path)
    answers, codes = book.worksheets
    header = [cell.value for cell in answers[1]]
    assert header[:6] == ["response", "form", "wave", "version", "language", "organisation"]
    wanted = []
    for question in survey.questions():
        if question.kind == "several":
            wanted += [f"{question.id}{choice.code}" for choice in question.choices]
        else:
            wanted.append(question.id)
    assert header[5:] == wanted
    second = dict(zip(header, [cell.value for cell in answers[2]], strict=True))
    given = {"form": "PS", "wave": "2", "version": survey.instrument.version}
    assert {name: value for name, value in second.items() if value} == given
    rules = {str(rule.sqref): rule.formula1 for rule in answers.data_validations.dataValidation}
    item = next(question for question in survey.questions() if question.role == "item")
    column = openpyxl.utils.get_column_letter(header.index(item.id) + 1)
    assert rules[f"{column}2:{column}6"] == '"1,2,3,4,5,97,98"'
    assert all(rule.showErrorMessage for rule in answers.data_validations.dataValidation if rule.type == "list")
    hints = {str(rule.sqref): (rule.promptTitle, rule.prompt) for rule in answers.data_validations.dataValidation}
    title, hint = hints[f"{column}2:{column}6"]
    number = [question.id for question in survey.questions()].index(item.id) + 1
    assert title == f"{number} {item.id}"  # as on the print
    assert hint.startswith(f"{item.text['es']}\n1 = ")
    assert max(len(hint or "") for _, hint in hints.values()) <= 255
    rows = {row[1].value: row[2].value for row in codes.iter_rows(min_row=3)}
    assert rows[item.id] == item.text["es"]
    assert answers.protection.sheet
    assert not answers["B2"].protection.locked
    assert answers["A1"].protection.locked
    for letter, number_format in (("A", "@"), (column, "General")):  # of cells that are empty yet
        assert not answers.column_dimensions[letter].protection.locked
        assert answers.column_dimensions[letter].number_format == number_format


def test_keyed_workbooks_are_compared_like_text(pwiq, survey, tmp_path):
    paths = [tmp_path / "a.xlsx", tmp_path / "b.xlsx"]
    item = next(question.id for question in survey.questions() if question.role == "item")
    for path, answer in zip(paths, (4, 5), strict=True):
        write_keying_sheet(survey, path, sheets=3)
        book = openpyxl.load_workbook(path)
        sheet = book.worksheets[0]
        place = {cell.value: cell.column for cell in sheet[1]}
        sheet.cell(2, place["response"]).value = "001"
        sheet.cell(2, place[item]).value = answer
        sheet.cell(2, place["code1"]).value = "M"
        book.save(path)
    comparison = compare_entries(*paths, pwiq)
    assert cells(comparison) == [("1", item, "4", "5")]
    assert comparison.cells[item] == 1


def test_a_keying_sheet_is_not_replaced_and_its_texts_are_no_formulas(survey, tmp_path):
    hostile = build_survey(read_instrument(ROOT / "tests" / "data" / "hostile.toml"), forms=["A"])
    path = tmp_path / "sheet.xlsx"
    write_keying_sheet(hostile, path, sheets=1)
    book = openpyxl.load_workbook(path)
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)
    assert "=SUM(A1:A9)\nsecond 'line' \"here\"" in [row[2].value for row in book.worksheets[1].iter_rows()]
    with pytest.raises(ValueError, match="somebody may have typed into it"):
        write_keying_sheet(hostile, path)
    with pytest.raises(ValueError, match=r"a keying sheet is \.xlsx or \.csv"):
        write_keying_sheet(hostile, tmp_path / "sheet.ods")
    with pytest.raises(ValueError, match="sheets must be a number from 1"):
        write_keying_sheet(hostile, tmp_path / "other.csv", sheets=0)
    with pytest.raises(ValueError, match="language 'de' is not there"):
        write_keying_sheet(hostile, tmp_path / "other.csv", language="de")
    write_keying_sheet(survey, tmp_path / "one.xlsx", sheets=2)
    write_keying_sheet(survey, tmp_path / "two.xlsx", sheets=2)
    assert (tmp_path / "one.xlsx").read_bytes() == (tmp_path / "two.xlsx").read_bytes()


def test_a_csv_keying_sheet_has_the_same_columns(survey, tmp_path):
    write_keying_sheet(survey, tmp_path / "sheet.csv", sheets=2)
    rows = list(csv.reader(io.StringIO((tmp_path / "sheet.csv").read_text(encoding="utf-8-sig"))))
    assert rows[0] == [column.id for column in keyed_columns(survey, language="en")]
    assert len(rows) == 3

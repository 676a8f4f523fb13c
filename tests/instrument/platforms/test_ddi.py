"""DDI-Codebooks are held against the content models of the schema 2.5, rewritten here, and compared text by text."""

import re
import subprocess
from dataclasses import replace

import pytest
from lxml import etree

from instrument.definition import Text
from instrument.platforms.ddi import losses, write
from instrument.survey import build_survey
from tests.instrument.platforms.instruments import SMALL
from tests.instrument.platforms.surveys import SURVEYS

each_survey = pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
DDI = "{ddi:codebook:2_5}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"

# Content models of codebook.xsd, as regular expressions over the names of the children.
CHILDREN = {
    "codeBook": r"(docDscr )*(stdyDscr )+(fileDscr )*(dataDscr )*(otherMat )*",
    "stdyDscr": r"(citation )+(studyAuthorization )*(stdyInfo )*(studyDevelopment )*(method )*(dataAccs )*(notes )*",
    "citation": r"titlStmt (rspStmt )?(prodStmt )?(distStmt )?(serStmt )*(verStmt )*(biblCit )?(holdings )*(notes )*",
    "titlStmt": r"titl (subTitl )*(altTitl )*(parTitl )*(IDNo )*",
    "prodStmt": r"(producer )*(copyright )?(prodDate )*(prodPlac )*",
    "verStmt": r"(version )?(verResp )*(notes )*",
    "dataDscr": r"(varGrp )*(nCubeGrp )*(var )*(nCube )*(notes )*",
    "varGrp": r"(labl )*(txt )*(concept )*(defntn )?(universe )?(notes )*",
    "var": (
        r"(location )*(labl )*(imputation )?(security )?(embargo )?(respUnit )?(anlysUnit )?(qstn )*(valrng )*"
        r"(invalrng )*(undocCod )*(universe )*(TotlResp )?(sumStat )*(txt )*(stdCatgry )*(catgryGrp )*(catgry )*"
        r"(codInstr )*(verStmt )*(concept )*(derivation )?(varFormat )?(geoMap )*(catLevel )*(notes )*"
    ),
    "qstn": r"(preQTxt |qstnLit |postQTxt |forward |backward |ivuInstr )*",
    "valrng": r"(item |range )+(key )?(notes )*",
    "invalrng": r"(item |range )+(key )?(notes )*",
    "catgry": r"(catValu )?(labl )*(txt )*(catStat )*(mrow )?",
    "derivation": r"(drvdesc )*(drvcmd )*",
}
ATTRIBUTES = {
    ("varGrp", "type"): {"section", "grid", "multipleResp"},
    ("var", "intrvl"): {"contin", "discrete"},
    ("var", "nature"): {"nominal", "ordinal", "interval", "ratio", "percent", "other"},
    ("var", "representationType"): {"text", "numeric", "code", "datetime", "other"},
    ("qstn", "responseDomainType"): {"text", "numeric", "code", "category", "datetime", "multiple", "other"},
    ("universe", "clusion"): {"I", "E"},
    ("catgry", "missing"): {"Y", "N"},
    ("varFormat", "type"): {"numeric", "character"},
}
FREE = {
    "codeBook": {"version", LANG},
    "notes": {"subject", LANG},
    "varGrp": {"ID", "name", "var", "type"},
    "var": {"ID", "name", "intrvl", "nature", "representationType"},
    "qstn": {"seqNo", "responseDomainType"},
    "item": {"VALUE"},
    "catgry": {"missing", "missType"},
    "derivation": {"var"},
    "universe": {"clusion", LANG},
    "varFormat": {"type"},
}


def read(survey):
    ((name, content),) = write(survey).items()
    assert name == f"{survey.name}.ddi.xml"
    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))


def texts(element, tag):
    return {each.get(LANG): each.text for each in element.findall(DDI + tag)}


def plain(text, languages):
    """A text as any XML reader hands it on: line ends are one sign."""
    return {language: re.sub("\r\n?", "\n", text[language]) for language in languages}


def faults(root):
    ids = [element.get("ID") for element in root.iter() if element.get("ID")]
    yield from {f"{each} twice" for each in ids if ids.count(each) > 1}
    for element in root.iter():
        name = element.tag.removeprefix(DDI)
        children = "".join(f"{child.tag.removeprefix(DDI)} " for child in element)
        if not re.fullmatch(CHILDREN.get(name, ""), children):
            yield f"{name}: children {children}"
        for attribute, value in element.attrib.items():
            if attribute not in FREE.get(name, {LANG}):
                yield f"{name}: attribute {attribute}"
            if value not in ATTRIBUTES.get((name, attribute), {value}):
                yield f"{name}: {attribute}={value}"
        for each in element.get("var", "").split():
            if each not in ids:
                yield f"{name}: names {each}, which is not there"
        if element.get("ID") and not re.fullmatch(r"[A-Za-z_][\w.-]*", element.get("ID")):
            yield f"{name}: ID {element.get('ID')}"
        if name == "var" and not element.get("name"):
            yield "var without a name"


@each_survey
def test_the_file_keeps_to_the_schema(survey):
    root = read(survey)
    assert (root.tag, root.get("version")) == (f"{DDI}codeBook", "2.5")
    assert list(faults(root)) == []
    assert write(survey) == write(survey)


def test_the_rules_find_faults():
    root = read(SURVEYS["no forms"])
    first = root.find(f".//{DDI}var")
    first.append(etree.Element(f"{DDI}labl"))
    first.set("nature", "odd")
    first.set("weights", "1")
    root.find(f".//{DDI}varGrp").set("var", "nobody")
    assert len(set(faults(root))) == 4


def test_xmllint_finds_it_well_formed(tmp_path, needs_tool):
    for name in ("PWIQ all", "PWIQ hostile"):
        path = tmp_path / "codebook.xml"
        path.write_bytes(*write(SURVEYS[name]).values())
        run = [needs_tool("xmllint"), "--noout", "--nonet", path]
        assert subprocess.run(run, check=True, capture_output=True, timeout=60).stderr == b""


@each_survey
def test_every_text_and_code_stands_in_every_language(survey):
    root = read(survey)
    variables = {each.get("name"): each for each in root.iter(f"{DDI}var")}
    languages = survey.languages
    for question in survey.questions():
        several = question.kind == "several"
        for choice in question.choices if several else [None]:
            variable = variables[question.id if choice is None else f"{question.id}{choice.code}"]
            asked = plain(question.text, languages)
            (element,) = variable.findall(f"{DDI}qstn")
            assert texts(element, "qstnLit") == asked
            label = (
                asked
                if choice is None
                else {
                    language: f"{asked[language]} – {plain(choice.label, languages)[language]}"
                    for language in languages
                }
            )
            assert texts(variable, "labl") == label
            if several:
                assert [each.findtext(f"{DDI}catValu") for each in variable.findall(f"{DDI}catgry")] == ["0", "1"]
                continue
            categories = variable.findall(f"{DDI}catgry")
            assert [each.findtext(f"{DDI}catValu") for each in categories] == [each.code for each in question.choices]
            for category, each in zip(categories, question.choices, strict=True):
                assert texts(category, "labl") == plain(each.label, languages)
                assert (category.get("missing"), category.get("missType")) == (
                    ("Y", each.reason) if each.reason else (None, None)
                )
            codes = {
                tag: [item.get("VALUE") for item in variable.iterfind(f"{DDI}{tag}/{DDI}item")]
                for tag in ("valrng", "invalrng")
            }
            assert codes == {
                "valrng": [each.code for each in question.choices if each.reason is None],
                "invalrng": [each.code for each in question.choices if each.reason is not None],
            }
    names = list(variables)
    ids = [q.id for q in survey.questions() if q.kind != "several"]
    assert [name for name in names if name in ids] == ids


@each_survey
def test_pages_scores_and_forms_are_told(survey):
    root = read(survey)
    groups = {each.get("name"): each for each in root.iter(f"{DDI}varGrp")}
    for page in survey.pages:
        group = groups[page.id]
        assert group.get("type") == ("grid" if page.matrix else "section")
        ids = [q.id for q in page.questions if q.kind != "several"]
        assert [name for name in group.get("var").split() if name in ids] == ids
    made = {each.get("name"): each for each in root.iter(f"{DDI}var") if each.find(f"{DDI}derivation") is not None}
    assert list(made) == [rule.export for rule in survey.scores]
    for rule in survey.scores:
        assert texts(made[rule.export], "labl") == plain(rule.title, survey.languages)
        assert made[rule.export].find(f"{DDI}derivation").get("var")
    for question in survey.questions():
        variable = next(v for v in root.iter(f"{DDI}var") if (v.get("name") or "").startswith(question.id))
        told = texts(variable, "universe")
        assert set(told) == (set(survey.languages) if set(question.forms) != set(survey.forms) else set())
        assert all(text.endswith(f"({', '.join(question.forms)})") for text in told.values())


@each_survey
def test_the_study_is_named_with_version_banner_and_stamp(survey):
    root = read(survey)
    study = root.find(f"{DDI}stdyDscr")
    citation = study.find(f"{DDI}citation")
    titles = citation.find(f"{DDI}titlStmt")
    assert texts(titles, "titl") | texts(titles, "parTitl") == plain(survey.title(), survey.languages)
    assert titles.findtext(f"{DDI}IDNo") == survey.instrument.id
    assert citation.findtext(f"{DDI}verStmt/{DDI}version") == survey.instrument.version
    assert citation.findtext(f"{DDI}notes") == survey.stamp
    assert citation.findtext(f"{DDI}prodStmt/{DDI}copyright", "") == survey.instrument.licence
    for subject, text in (
        ("banner", survey.banner),
        ("instructions", survey.instrument.instructions),
        ("rule", survey.instrument.rule),
        (
            "code_instructions",
            survey.instrument.code_instructions if "code" in {page.kind for page in survey.pages} else {},
        ),
    ):
        found = {each.get(LANG): each.text for each in study.findall(f"{DDI}notes") if each.get("subject") == subject}
        assert found == (plain(text, survey.languages) if text else {})


def test_a_sign_that_xml_cannot_hold_is_refused():
    instrument = replace(SMALL, title=Text(tuple((language, "a\x07b") for language in SMALL.languages)))
    with pytest.raises(ValueError, match=r"XML cannot hold the sign '\\x07', in 'a\\x07b'"):
        write(build_survey(instrument))


def test_losses():
    assert [loss.aspect for loss in losses(SURVEYS["PWIQ all"])] == ["required", "branching"]
    assert losses(SURVEYS["PWIQ P"]) == ()

"""Commands about the questionnaire itself: what it is, and how it gets onto a platform.

Imports stand inside the commands, so that `pwiq --help` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.command_line import UsageError, add_command, add_out, check_out, write_text
from analysis.form_commands import FORMS, add_form_options, export_form

if TYPE_CHECKING:
    from instrument.definition import Instrument
    from instrument.survey import Survey

# `instrument.platforms.PLATFORMS` has the same, and would take long to import for `pwiq --help`; a test compares them.
PLATFORM_NAMES = (
    "redcap",
    "qualtrics-txt",
    "qualtrics-qsf",
    "limesurvey",
    "xlsform",
    "fhir",
    "reproschema",
    "surveyjs",
    "spss",
    "google-forms",
    "ddi",
    "bids",
)
# As `instrument.formulas.LANGUAGES`.
SCORING_LANGUAGES = ("python", "r", "spss", "stata", "redcap", "xlsform", "limesurvey", "fhirpath")


def add_questionnaire_commands(commands: object) -> None:
    """Add the commands to the parser's list."""
    command = add_command(
        commands,
        "check-instrument",
        _check_instrument,
        "check a definition, or write its JSON Schema",
        "pwiq check-instrument my.toml",
    )
    command.add_argument("definition", nargs="?", help="a name or a path (default: --instrument)")
    command.add_argument("--schema", action="store_true", help="write the JSON Schema of a definition instead")
    add_out(command, "where to write the schema (default: standard output)", required=False)

    command = add_command(
        commands,
        "codebook",
        _codebook,
        "what each column of a file of answers means",
        "pwiq codebook --out codebook.csv",
    )
    command.add_argument("--language", default=None, help="language of the texts (default: the definition's first)")
    add_out(command, "CSV file to write (default: standard output)", required=False)

    command = add_command(
        commands,
        "versions",
        _versions,
        "what changed between two versions of a definition, and which scores stay comparable",
        "pwiq versions old.toml new.toml",
        instrument=None,
    )
    command.add_argument("old", help="a name or a path")
    command.add_argument("new", help="a name or a path")
    _add_export(commands)
    _add_parity(commands)
    _add_scoring(commands)
    _add_translate(commands)
    _add_panel(commands)


def _check_instrument(options: argparse.Namespace) -> None:
    import json

    from instrument.definition import read_instrument
    from instrument.definition_file import definition_schema

    if options.out is not None and not options.schema:
        raise UsageError("--out is for --schema; a check writes no file")
    if options.schema:
        check_out(options)
        write_text(json.dumps(definition_schema(), indent=2, ensure_ascii=False) + "\n", options)
        return
    instrument = read_instrument(options.definition or options.instrument)
    forms = ", ".join(f"{form.id} {len(instrument.asked_by(form.id))}" for form in instrument.forms)
    print(
        f"{instrument.id} {instrument.version} ({instrument.status}) is sound: {len(instrument.items)} items in "
        f"{len(instrument.subscales)} subscales, {len(instrument.questions)} other questions, "
        f"{len(instrument.scores)} scores, languages {', '.join(instrument.languages)}."
        + (f" Items by form: {forms}." if forms else "")
    )


def _codebook(options: argparse.Namespace) -> None:
    from instrument.codebook import codebook
    from instrument.definition import read_instrument
    from instrument.files import csv_text

    check_out(options)
    instrument = read_instrument(options.instrument)
    language = options.language or instrument.languages[0]
    if language not in instrument.languages:
        raise UsageError(f"--language {language}: {instrument.id} has {', '.join(instrument.languages)}")
    table = codebook(instrument, language=language)
    write_text(csv_text(table.reset_index()), options)


def _versions(options: argparse.Namespace) -> None:
    from instrument.definition import read_instrument
    from instrument.versions import versions_text

    print(versions_text(read_instrument(options.old), read_instrument(options.new)))


def _add_export(commands: object) -> None:
    command = add_command(
        commands,
        "export",
        _export,
        "write the questionnaire for a survey platform",
        "pwiq export redcap --form P --out pwiq_p.csv",
    )
    command.add_argument("platform", type=_platform, metavar="PLATFORM", help=", ".join((*PLATFORM_NAMES, *FORMS)))
    command.add_argument(
        "--form",
        default=None,
        help="form, or several with commas (P,C,M): then the survey asks which (default: the first)",
    )
    command.add_argument(
        "--language",
        default=None,
        help="language, or several with commas; the survey opens in the first (default: all)",
    )
    command.add_argument("--follow-up", action="store_true", help="also ask what is asked from the second wave on")
    command.add_argument("--switch-on", default="", metavar="IDS", help="questions that are off unless switched on")
    command.add_argument(
        "--planning", action="store_true", help='peer work is still being planned: offer "not started yet"'
    )
    command.add_argument("--seed", type=int, help="shuffle the pages of items by this seed, the same for everyone")
    command.add_argument("--wave", type=int, help="number of the wave, stored with every answer")
    add_form_options(command)
    add_out(command, "file to write, or a folder where a platform takes several files")


def _platform(name: str) -> str:
    """Return the platform that somebody means; names of servers stand for the file that they take."""
    meant = {"kobo": "xlsform", "odk": "xlsform", "enketo": "xlsform"}.get(name.casefold(), name.casefold())
    if meant in (*PLATFORM_NAMES, *FORMS):
        return meant
    hint = "; say qualtrics-txt (supported) or qualtrics-qsf (best effort)" if meant == "qualtrics" else ""
    raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join((*PLATFORM_NAMES, *FORMS))}{hint}")


def _add_parity(commands: object) -> None:
    command = add_command(
        commands,
        "parity",
        _parity,
        "write the questionnaire for every platform, read it back independently, and compare (about a minute)",
        "pwiq parity",
    )
    command.add_argument("platform", nargs="*", metavar="PLATFORM", help=f"default: all ({', '.join(PLATFORM_NAMES)})")
    command.add_argument("--form", default=None, help="form, or several with commas (default: each, and all together)")
    add_out(command, "CSV file for the whole ledger", required=False)


def _add_scoring(commands: object) -> None:
    command = add_command(
        commands,
        "scoring",
        _scoring,
        "write the scoring rules in another language",
        "pwiq scoring r --out score_pwiq.R",
    )
    command.add_argument("written_in", choices=SCORING_LANGUAGES, metavar="LANGUAGE", help=", ".join(SCORING_LANGUAGES))
    command.add_argument(
        "--form", help="for a platform's calculations: form, or several with commas (default: the first)"
    )
    add_out(command, "file to write (default: standard output)", required=False)


def _add_parts(commands: object, name: str, summary: str) -> object:
    """Add a command that has commands of its own, each with its options."""
    command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")  # type: ignore[attr-defined]
    return command.add_subparsers(title="what to do", metavar="WHAT", required=True)


def _add_translate(commands: object) -> None:
    parts = _add_parts(
        commands,
        "translate",
        "give the texts to translators and take them back, or say how far a translation is",
    )
    command = add_command(
        parts, "status", _translate_status, "say how far the translations are", "pwiq translate status"
    )
    command.add_argument("--language", help="language that is translated into (default: all)")
    command = add_command(
        parts,
        "export",
        _translate_export,
        "write a file for translators",
        "pwiq translate export --language es --out pwiq.es.po",
    )
    command.add_argument("--language", required=True, help="language that is translated into")
    command.add_argument("--format", choices=["po", "xliff"], default="po", help="kind of file (default: po)")
    add_out(command, "file to write (default: standard output)", required=False)
    command = add_command(
        parts,
        "import",
        _translate_import,
        "take the translators' file into a definition of your own",
        "pwiq translate import pwiq.es.po --language es --out my-pwiq",
    )
    command.add_argument("file", type=Path, help="the translators' file (.po, .xlf)")
    command.add_argument("--language", required=True, help="language that is translated into")
    command.add_argument("--partial", action="store_true", help="take in what is translated so far")
    command.add_argument(
        "--role",
        action="append",
        default=[],
        help="who translated, by role and never by name; may be given several times",
    )
    command.add_argument("--date", type=date.fromisoformat, metavar="YYYY-MM-DD", help="when it was translated")
    command.add_argument(
        "--same", default="", metavar="PLACES", help="texts meant to be the same as the source, with commas"
    )
    add_out(
        command,
        "folder for a whole copy of the definition (default: the folder of --instrument, if it is your own)",
        required=False,
    )


def _add_panel(commands: object) -> None:
    parts = _add_parts(
        commands, "panel", "the desk of a panel of experts: rating form, results, decisions (docs/content-validity.md)"
    )
    command = add_command(
        parts, "form", _panel_form, "write the workbook in which experts rate", "pwiq panel form --out form.xlsx"
    )
    command.add_argument("--language", help="language of the items (default: the definition's first)")
    command.add_argument("--words", metavar="LANGUAGE", help="language of the instructions to experts")
    command.add_argument("--form", help="only items of these forms, with commas (default: all)")
    command.add_argument("--round", type=int, default=1, help="number of the round (default: 1)")
    command.add_argument("--earlier", nargs="+", type=Path, default=[], help="the filled-in forms of the round before")
    command.add_argument("--items", type=Path, help="ask only the items listed in this file")
    add_out(command, "Excel file to write")
    command = add_command(
        parts,
        "read",
        _panel_read,
        "report on the filled-in forms of a round",
        "pwiq panel read filled/*.xlsx --out round1",
    )
    command.add_argument("file", nargs="+", type=Path, help="the filled-in forms")
    command.add_argument("--earlier", nargs="+", type=Path, default=[], help="the filled-in forms of all rounds before")
    command.add_argument("--agreement", type=float, help="share of experts that settles an item (default: .78)")
    command.add_argument("--moved", type=float, help="stable if at most this share changed (default: .15)")
    command.add_argument("--shift", type=float, help="stable if median and quartile range moved by at most this")
    command.add_argument("--rounds", type=int, help="most rounds (default: 3)")
    command.add_argument("--stable-too", action="store_true", help="agreement must also be stable")
    add_out(command, "folder to write to")
    command = add_command(
        parts, "decide", _panel_decide, "check the log of decisions and say what is open", "pwiq panel decide"
    )
    command.add_argument("file", nargs="?", type=Path, help="the log (default: decisions.toml beside the definition)")


def _languages_of_the_study(options: argparse.Namespace, instrument: Instrument) -> list[str] | None:
    """Return the questionnaire's languages that a study has texts in: a form is asked in no other. None: all."""
    if options.platform not in FORMS or options.study is None:
        return None
    from instrument.forms.study import read_study

    return list(read_study(options.study).offered(instrument)) or None


def _export(options: argparse.Namespace) -> None:
    from instrument.definition import read_instrument
    from instrument.platforms import PLATFORMS, write_export
    from instrument.survey import build_survey

    instrument = read_instrument(options.instrument)
    by_case = {form.casefold(): form for form in instrument.forms.ids}
    survey = build_survey(
        instrument,
        forms=[by_case.get(form.casefold(), form) for form in _listed(options.form)],
        languages=_listed(options.language) or _languages_of_the_study(options, instrument),
        follow_up=options.follow_up,
        switched_on=_listed(options.switch_on),
        planning=options.planning,
        seed=options.seed,
        wave=options.wave,
    )
    if options.platform in FORMS:
        said = export_form(options, survey)
        print(
            "\n".join([str(options.out), _what_was_asked(survey), said, survey.banner.get(instrument.languages[0], "")])
        )
        return
    platform = PLATFORMS[options.platform]
    written = write_export(survey, platform, options.out, force=options.force)
    print("\n".join(_named_files(written, options.out)))
    print(_what_was_asked(survey))
    print(f"{platform.title}, {platform.proof}.{' Best effort.' if platform.support == 'best effort' else ''}")
    for name in _listed(options.switch_on):
        print(f"{name}: {instrument.questions[name].note}")
    if losses := platform.losses(survey):
        print("What it cannot hold:")
        for loss in losses:
            print(f"  {loss.aspect.replace('_', ' ')}: {loss.what}")
    print("Next:")
    print(f"  1. {platform.first_step}.")
    print("  2. Look at every page, answer once yourself, export that answer, and read it with `pwiq read`.")
    print(f"  3. docs/platforms.md has the rest for {platform.name}.")
    if survey.banner:
        print(survey.banner[instrument.languages[0]])


def _named_files(paths: Sequence[Path], out: Path) -> list[str]:
    """Return the files by name, or how many there are where they are many."""
    return [str(path) for path in paths] if len(paths) < 10 else [f"{len(paths)} files under {out}"]


def _what_was_asked(survey: Survey) -> str:
    """Return in a line what the survey asks, with a hint where two options usually go together."""
    questions = list(survey.questions())
    items = sum(question.role == "item" for question in questions)
    forms = f"form {', '.join(survey.forms)}, " if survey.forms else ""
    wave = survey.constants.get("wave")
    order = "as defined" if survey.seed is None else f"shuffled by seed {survey.seed}"
    said = (
        f"{forms}{items} items and {len(questions) - items} other questions on {len(survey.pages)} pages, in "
        f"{', '.join(survey.languages)}; wave {wave or 'not stored'}; order of the items' pages {order}."
    )
    of_later_waves = {question.id for question in survey.instrument.questions if question.asked == "follow-up"}
    if of_later_waves and wave not in (None, "1") and not of_later_waves & {question.id for question in questions}:
        said += " For a later wave, --follow-up also asks what has changed."
    return said


def _parity(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from instrument.definition import read_instrument
    from instrument.files import csv_text
    from instrument.parity.ledger import ledger_rows, ledger_text, parity_ledger, surveys_to_compare
    from instrument.survey import build_survey

    check_out(options)
    instrument = read_instrument(options.instrument)
    forms = _listed(options.form)
    surveys = [build_survey(instrument, forms=forms)] if forms else surveys_to_compare(instrument)
    entries = parity_ledger(
        surveys,
        platforms=options.platform,
        progress=lambda each: tqdm(each, desc="files", file=sys.stderr, disable=not sys.stderr.isatty()),
    )
    if options.out is not None:
        write_text(csv_text(ledger_rows(entries)), options)
    print(ledger_text(entries))
    if different := [entry for entry in entries if not entry.same]:
        named = sorted({entry.platform for entry in different})
        raise ValueError(f"not the same, or not read: {', '.join(named)}; see above")


def _scoring(options: argparse.Namespace) -> None:
    from instrument.definition import read_instrument
    from instrument.formulas import SCRIPTS, language
    from instrument.formulas.listing import listing
    from instrument.platforms.limesurvey import names_in_expressions
    from instrument.survey import build_survey

    check_out(options)
    instrument = read_instrument(options.instrument)
    module = language(options.written_in)
    if options.written_in in SCRIPTS:
        if options.form:
            raise UsageError(f"a script in {options.written_in} scores every form; leave --form out")
        text = module.script(instrument)
    else:
        forms = _listed(options.form) or instrument.forms.ids[:1]
        # LimeSurvey's expressions name items as our own export does.
        names = (
            names_in_expressions(build_survey(instrument, forms=forms)) if options.written_in == "limesurvey" else None
        )
        text = listing(instrument, options.written_in, forms, names=names)
    write_text(text, options)
    if options.out is not None:
        print(f"{options.out}: written. {module.RUN_BY} Compare a few scores by hand before you rely on it.")


def _translate_status(options: argparse.Namespace) -> None:
    from instrument.translations import translations_text

    print(translations_text(options.instrument, language=options.language))


def _translate_export(options: argparse.Namespace) -> None:
    from instrument.translations import export_translation, translation_status

    check_out(options)
    write_text(export_translation(options.instrument, language=options.language, file_format=options.format), options)
    if options.out is not None:
        states = translation_status(options.instrument, language=options.language)["state"]
        print(
            f"{len(states)} texts for {options.language}, {int(states.ne('missing').sum())} translated, "
            f"written to {options.out}. Translate in a program for such files (Poedit …); then pwiq translate import "
            f"{options.out} --language {options.language} --out FOLDER, with --partial if it is half done."
        )


def _translate_import(options: argparse.Namespace) -> None:
    from instrument.translations import changes_text, import_translation, next_steps, write_translation

    taken = import_translation(
        options.file,
        options.instrument,
        language=options.language,
        partial=options.partial,
        translated_by=options.role,
        translated=options.date,
        same_on_purpose=_listed(options.same),
    )
    print(changes_text(taken))
    written = write_translation(taken, options.instrument, out=options.out, force=options.force)
    print(f"Written: {', '.join(map(str, written)) or 'nothing, all is there already'}.")
    for note in taken.notes:
        print(f"{note[0].upper()}{note[1:]}.")
    if steps := next_steps(taken, options.instrument, options.out or options.instrument, language=options.language):
        print(steps)


def _panel_form(options: argparse.Namespace) -> None:
    from instrument.panel import panel_form

    check_out(options, reads=options.earlier)
    said = panel_form(
        options.instrument,
        options.out,
        language=options.language,
        forms=_listed(options.form) or None,
        round=options.round,
        earlier=options.earlier,
        items_file=options.items,
        words_language=options.words,
    )
    print(said)


def _panel_read(options: argparse.Namespace) -> None:
    from instrument.delphi import DelphiRule
    from instrument.panel import panel_read

    stated = {name: getattr(options, name) for name in ("agreement", "moved", "shift", "rounds")}
    rule = DelphiRule(
        needs_stability=options.stable_too, **{name: value for name, value in stated.items() if value is not None}
    )
    said = panel_read(
        options.instrument, options.file, options.out, earlier=options.earlier, rule=rule, force=options.force
    )
    print(said)


def _panel_decide(options: argparse.Namespace) -> None:
    from instrument.panel import panel_decide

    print(panel_decide(options.instrument, options.file))


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]

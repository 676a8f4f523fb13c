"""The questionnaire in a notebook: it is filled in under a cell of JupyterLab, and its answers go to a SQLite file.

What is shown is the web form's own questionnaire.js. The page speaks to the kernel in messages, never through the widget's
traits: those are saved in the notebook's file, where no answer belongs.
"""

from __future__ import annotations

import getpass
import hashlib
import html
import json
import os
import platform
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

try:
    import anywidget
except ModuleNotFoundError as error:  # pragma: no cover
    raise ModuleNotFoundError(
        "a form in a notebook needs the package anywidget: pip install 'pwiq[lab]' in this environment"
    ) from error
import traitlets

from instrument.definition import Instrument, read_instrument
from instrument.forms.store import AnswerStore, Reason, StoreError
from instrument.forms.study import Study, read_study
from instrument.forms.survey_json import asset, form_data
from instrument.forms.words import words
from instrument.look.style import css_colours
from instrument.survey import Survey, build_survey

# What the respondent is told; the researcher finds the file's name and the details in `Form.problem`.
_WORD_OF: Final[Mapping[Reason, str]] = {
    "read_only": "store_read_only",
    "full": "store_full",
    "held": "store_held",
    "elsewhere": "store_elsewhere",
    "sent": "store_sent",
    "refused": "store_refused",
}


class Form(anywidget.AnyWidget):
    """A questionnaire to be filled in under a cell of a notebook.

    Drafts are kept as one goes and are there again when the cell is run again, after a restart of the kernel too. What is
    sent is appended to a SQLite file, which `read_responses` reads. Several kernels may write to the same file.

    Parameters
    ----------
    instrument : Instrument, str or path, default "pwiq"
        The questionnaire, or what `read_instrument` finds it by.
    form : str or sequence of str, optional
        Id of the form, or of several: then the first question asks which is one's own. Default: the definition's first.
    language : str, optional
        The language that the form opens in; others can be chosen, as far as the study has texts in them. Default: the
        definition's first of these.
    path : str or path, default "answers.sqlite"
        The file of answers, ending in ``.sqlite`` or ``.db``; made if it does not exist.
    wave : int, optional
        Number of the measurement occasion, stored with every answer.
    follow_up : bool, default False
        Whether to ask what is asked from the second wave on.
    switched_on : sequence of str
        Ids of questions that are asked only if they are switched on.
    planning : bool, default False
        Whether the programme is still being planned (offers "not started yet").
    shuffle : bool, default True
        Whether every respondent gets the pages of items in an order of their own; it is stored.
    study : Study, str or path, optional
        What the study says of itself (`read_study`). Without it the form calls itself a trial, and so do its answers.
    organisation, team : str, optional
        What the questions for these hold at first.

    Raises
    ------
    StoreError
        If the file of answers cannot be used: read-only, full disk, another kind of file, another questionnaire.
    ValueError
        If an option is not known to the questionnaire.

    Warns
    -----
    UserWarning
        What should be known of the file: it holds answers or drafts to another version, or lies on a network folder.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Form("pwiq", "C", "es", path=f"{folder}/answers.sqlite")
    Form of pwiq_c in es, en: 0 responses in answers.sqlite
    """

    # Words for the time before the kernel has answered; all else comes in messages.
    opening = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        instrument: Instrument | str | Path = "pwiq",
        form: str | Sequence[str] | None = None,
        language: str | None = None,
        *,
        path: str | Path = "answers.sqlite",
        wave: int | None = None,
        follow_up: bool = False,
        switched_on: Sequence[str] = (),
        planning: bool = False,
        shuffle: bool = True,
        study: Study | str | Path | None = None,
        organisation: str = "",
        team: str = "",
    ) -> None:
        if not isinstance(instrument, Instrument):
            instrument = read_instrument(instrument)
        if language is not None and language not in instrument.languages:
            raise ValueError(
                f"language {language!r} is not known; {instrument.id} has {', '.join(instrument.languages)}"
            )
        if study is not None and not isinstance(study, Study):
            study = read_study(study)
        offered = instrument.languages if study is None else study.offered(instrument)
        first = language or next(iter(offered), instrument.languages[0])
        self.survey: Survey = build_survey(
            instrument,
            forms=() if form is None else (form,) if isinstance(form, str) else tuple(form),
            languages=(first, *(each for each in offered if each != first)),
            follow_up=follow_up,
            switched_on=switched_on,
            planning=planning,
            wave=wave,
        )
        self._data = form_data(self.survey, study=study, shuffle=shuffle, section="notebook")
        self._prefill = {name: text for name, text in (("organisation", organisation), ("team", team)) if text}
        self.store = AnswerStore(path, instrument)
        self.problem = ""
        for note in self.store.notes():
            warnings.warn(note, stacklevel=2)
        # anywidget makes traits of these two.
        self._esm = asset("questionnaire.js") + asset("save_file.js") + asset("notebook.js")
        self._css = css_colours(".pwiq-form", themes=True) + asset("questionnaire.css") + asset("notebook.css")
        own = words("notebook")[first]
        super().__init__(
            opening={"waiting": own["kernel_waiting"], "silent": own["kernel_silent_page"], "language": first}
        )
        self.on_msg(self._heard)

    def __repr__(self) -> str:
        many = len(self.store)
        return (
            f"Form of {self.survey.name} in {', '.join(self.survey.languages)}: {many} response{'' if many == 1 else 's'} in "
            f"{self.store.path.name}"
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the widget, and a sentence for pages that show no widgets (nbviewer, GitHub, a notebook as HTML)."""
        shown = super()._repr_mimebundle_(**kwargs)
        if shown is None:
            return None
        bundle, metadata = shown if isinstance(shown, tuple) else (shown, {})
        sentences = [words("notebook")[language]["no_widgets"] for language in self.survey.languages]
        paragraphs = "".join(
            f'<p lang="{html.escape(language)}">{html.escape(sentence)}</p>'
            for language, sentence in zip(self.survey.languages, sentences, strict=True)
        )
        return {**bundle, "text/html": paragraphs, "text/plain": " / ".join(sentences)}, metadata

    # Messages of the page; their list stands at the head of assets/notebook.js.

    def _heard(self, _: Any, message: Any, __: Any) -> None:
        """Answer a message of the page: always, so that it never waits in vain."""
        if not isinstance(message, dict) or not isinstance(message.get("id"), str):
            return
        try:
            said = self._answer(message)
        except StoreError as error:
            self.problem = str(error)
            said = {"error": _WORD_OF[error.reason]}
        self.send({"id": message["id"], **said})

    def _answer(self, message: Mapping[str, Any]) -> dict[str, Any]:
        kind = message.get("kind")
        if kind == "open":
            return {"data": self._data, "prefill": self._prefill}
        if kind == "load":
            draft = self.store.load_draft(self._place)
            return {"draft": None if draft is None else dict(draft.content)}
        if kind == "save":
            draft_content = _mapping(message, "draft")
            self.store.save_draft(
                _text(draft_content, "response"),
                draft_content,
                place=self._place,
                window=_text(message, "window"),
                take=message.get("take") is True,
            )
            return {}
        if kind == "clear":
            self.store.drop_draft(_text(message, "response"))
            return {}
        if kind == "send":
            self.store.append(self._row(_mapping(_mapping(message, "response"), "row")))
            return {}
        raise StoreError(f"the page sent a message {kind!r} that is not known; run the cell again")

    def _row(self, answers: Mapping[str, Any]) -> dict[str, str | None]:
        """Return a response with a cell for every column of the form; refuse what the form does not ask."""
        columns: list[str] = self._data["columns"]
        if unknown := sorted(set(answers) - set(columns)):
            raise StoreError(f"the page sent answers that the form does not ask: {', '.join(map(repr, unknown[:5]))}")
        if odd := [name for name, value in answers.items() if not isinstance(value, str)]:
            raise StoreError(f"the page sent something other than text for {odd[0]!r}")
        return {name: answers.get(name) for name in columns}

    @property
    def _place(self) -> str:
        """Whose draft of what: it is found again after a restart, and by nobody else who writes to the same file.

        A digest, so that the file does not say who filled it in.
        """
        asked = [question.id for question in self.survey.questions()]
        # The notebook's path, which Jupyter gives to its kernels.
        where = (platform.node(), _login(), os.environ.get("JPY_SESSION_NAME", str(Path.cwd())))
        whole = json.dumps([self.survey.name, self.survey.constants.get("wave"), asked, where])
        return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return ""


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str) or not value:
        raise StoreError(f"the page sent a message without {name!r}; run the cell again")
    return value


def _mapping(message: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = message.get(name)
    if not isinstance(value, dict):
        raise StoreError(f"the page sent a message without {name!r}; run the cell again")
    return value

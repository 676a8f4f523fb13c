"""The pages of a report: one a notebook, and the first page with the summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.disclosure import FLOORS, Audience
from analysis.page_style import page_style
from analysis.release import Shown
from analysis.released import Released, about_place, references
from instrument.definition import Instrument
from instrument.files import write_whole

TEMPLATES = Path(__file__).parent / "templates"
_AUDIENCES = {
    "internal": "people in the service itself",
    "external": "people outside the service",
    "researcher": "researchers, who keep it to themselves",
}
_DOCUMENTS = {
    "team": "The team's page: one sheet in plain words, to print and talk through",
    "evaluator": "The evaluator's document",
    "researcher": "The researcher's document",
    "action_log": "The action log, to fill in",
}
_ON_MEASURING = ("03", "04", "05")
_FORMATS = {".html": "web page", ".pdf": "PDF", ".docx": "Word", ".xlsx": "Excel"}


def write_pages(
    folder: Path,
    executed: Mapping[str, Path],
    shown: list[Shown],
    provenance: Mapping[str, Any],
    definition: Instrument,
    *,
    audience: Audience,
    documents: Sequence[Path] = (),
) -> None:
    """Write ``index.html`` and one page a notebook: self-contained, without scripts or outside requests."""
    import nbformat
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    language = definition.languages[0]
    contents = []
    pages: dict[str, list[dict[str, Any]]] = {}
    for name, path in executed.items():
        blocks = list(_blocks(nbformat.read(path, as_version=4)))
        pages[name] = blocks
        contents.append({"file": f"{name}.html", "title": _title(blocks, name), "name": name})
    shared = {
        "banner": definition.banner.get(language, ""),
        "questionnaire": definition.title.get(language, definition.id),
        "version": definition.version,
        "contents": contents,
        "audience": audience,
        "readers": _AUDIENCES[audience],
        "floor": FLOORS[audience],
        "provenance": provenance,
        "style": page_style(),
        "language": language,
        "names": [
            *((form.id, form.title[language]) for form in definition.forms),
            *((rule.id, rule.title[language]) for rule in definition.scores),
        ],
    }
    for entry in contents:
        tables = [item for item in shown if item.kind == "table" and item.notebook == entry["name"]]
        page = environment.get_template("page.html").render(
            **shared, title=entry["title"], blocks=pages[entry["name"]], current=entry["file"], tables=tables
        )
        write_whole(folder / entry["file"], page)
    methods = Released(shown).methods()
    index = environment.get_template("index.html").render(
        **shared,
        title="Report",
        current="index.html",
        # Two notebooks may have to say the same, such as that too few people answered.
        headlines=_headlines(shown),
        pictures=[item for item in shown if item.kind == "figure" and item.headline],
        methods=methods,
        references=references(methods),
        tables=[item for item in shown if item.kind == "table"],
        documents=_documents(documents),
        place=about_place(provenance),
    )
    write_whole(folder / "index.html", index)


def _headlines(shown: list[Shown]) -> list[str]:
    """Return what the first page says, each once: who answered, what changed, what to do; how well it measures comes last."""
    said = [item for item in shown if item.kind == "sentence" and item.headline]
    said.sort(key=lambda item: item.notebook[:2] in _ON_MEASURING)  # keeps the order otherwise
    return list(dict.fromkeys(item.text for item in said))


def _documents(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return each document once, with the names of its files by format."""
    found: dict[str, dict[str, Any]] = {}
    for path in paths:
        entry = found.setdefault(path.stem, {"title": _DOCUMENTS[path.stem], "files": []})
        entry["files"].append({"file": path.name, "format": _FORMATS[path.suffix]})
    return list(found.values())


def _blocks(notebook: Any) -> Iterable[dict[str, Any]]:
    """Return what a page shows of a notebook, in order: prose, folded code, outputs.

    Outputs are HTML from our own `Result`, figure and sentence, which escape what they show.
    Anything else is shown as plain text. What went to stderr and the parameters (paths) are left out.
    """
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    for cell in notebook.cells:
        if {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", [])):
            continue
        if cell.cell_type == "markdown":
            yield {"kind": "prose", "html": markdown.render(cell.source)}
        elif cell.cell_type == "code":
            yield {"kind": "code", "source": cell.source}
            for output in cell.outputs:
                data = output.get("data", {})
                if "text/html" in data:
                    yield {"kind": "output", "html": data["text/html"]}
                elif "text/plain" in data:
                    yield {"kind": "text", "text": data["text/plain"]}
                elif output.get("output_type") == "stream" and output.get("name") == "stdout":
                    yield {"kind": "text", "text": output["text"]}


def _title(blocks: list[dict[str, Any]], name: str) -> str:
    """Return the first heading of a notebook."""
    for block in blocks:
        if block["kind"] == "prose" and "<h1>" in block["html"]:
            return str(block["html"].split("<h1>")[1].split("</h1>")[0])
    return name

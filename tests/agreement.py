"""Writes docs/agreement.md from what the tests noted: every statistic, its oracle, the tolerance, the difference.

`make oracles` calls it. The tests note each comparison through the fixture `agrees` (tests/conftest.py).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "agreement.md"
HEAD = """# Agreement with other software

Every number below was computed by this package and by an oracle from the same data; the table says how far
apart they are at most. `make oracles` reruns the R scripts in `tests/oracles/`, compares again and rewrites this
page; `make test` fails where a difference exceeds its tolerance. Versions of R and its packages stand in each
`tests/oracles/*.json`.

A relative difference is divided by the oracle's number. Where the oracle is itself an iteration, its stopping rule
is most of the difference. The questionnaire is a draft that has not been validated: this page is about
arithmetic, not about what the scores mean.
"""


def notes(folder: Path) -> list[dict[str, object]]:
    """Read all notes, one a statistic, oracle and tolerance; of several the largest difference counts."""
    largest: dict[tuple[object, ...], dict[str, object]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            note = json.loads(line)
            key = tuple(note[name] for name in ("module", "statistic", "oracle", "tolerance", "kind"))
            known = largest.setdefault(key, note | {"numbers": 0})
            known["difference"] = max(known["difference"], note["difference"])
            known["numbers"] += note["numbers"]
    return sorted(largest.values(), key=lambda note: (str(note["module"]), str(note["statistic"]), str(note["oracle"])))


def page(found: list[dict[str, object]]) -> str:
    """Return the page, one table a module."""
    lines = [HEAD]
    for module in dict.fromkeys(str(note["module"]) for note in found):
        lines += [
            f"## {module}\n",
            "| Statistic | Oracle | Numbers | Tolerance | Largest difference |",
            "|---|---|--:|--:|--:|",
        ]
        for note in found:
            if note["module"] == module:
                kind = " (relative)" if note["kind"] == "relative" else ""
                lines.append(
                    f"| {_cell(note['statistic'])} | {_cell(note['oracle'])} | {note['numbers']} | "
                    f"{note['tolerance']:.0e}{kind} | {note['difference']:.0e} |"
                )
        lines.append("")
    return "\n".join(lines)


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|")


def main() -> None:
    """Gather the notes in the folder that is given and write the page."""
    found = notes(Path(sys.argv[1]))
    if not found:
        sys.exit(f"no comparisons were noted in {sys.argv[1]}: run the tests with PWIQ_AGREEMENT set to that folder")
    TARGET.write_text(page(found), encoding="utf-8")
    print(f"{len(found)} statistics compared: {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

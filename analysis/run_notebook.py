"""Runs one notebook in a kernel: a process of its own, called by `report` as ``python -m analysis.run_notebook``.

A process keeps what kernels and their event loops leave behind, and what they log, away from the caller.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import Any


def run_notebook(source: str, executed: str, parameters: dict[str, Any]) -> str | None:
    """Execute a notebook with papermill; return what stopped it, or None."""
    # jsonschema, which comes with papermill, would build forty parsers of a kind of address that no notebook is
    # checked for: half of the time that starting takes. Where they are missing it does without.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    # Kernels are talked to through files where the system has such sockets: nothing listens on a port.
    # The folder is a short one, since the name of a socket may have about a hundred characters.
    with tempfile.TemporaryDirectory(prefix="pwiq-") as sockets:
        transport = {"transport": "ipc", "ip": f"{sockets}/kernel"} if os.name == "posix" else {}
        try:
            papermill.execute_notebook(
                source,
                executed,
                parameters=parameters,
                kernel_name="python3",
                progress_bar=False,
                log_output=False,
                config=Config({"KernelManager": transport}),
            )
        except PapermillExecutionError as error:
            return f"cell {error.cell_index}: {error.ename}: {error.evalue}"
    return None


if __name__ == "__main__":
    if stopped := run_notebook(**json.load(sys.stdin)):
        print(stopped)
        sys.exit(3)

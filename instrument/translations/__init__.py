"""Translations of a definition: how far they are, out to translators, and back in."""

from instrument.translations.desk import changes_text, next_steps, write_translation
from instrument.translations.exchange import TakenIn, export_translation, import_translation
from instrument.translations.status import translation_status, translations_text

__all__ = [
    "TakenIn",
    "changes_text",
    "export_translation",
    "import_translation",
    "next_steps",
    "translation_status",
    "translations_text",
    "write_translation",
]

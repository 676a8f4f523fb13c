"""Translations of a definition: how far they are, out to translators, and back in."""

from instrument.translations.exchange import TakenIn, export_translation, import_translation
from instrument.translations.status import translation_status, translations_text

__all__ = ["TakenIn", "export_translation", "import_translation", "translation_status", "translations_text"]

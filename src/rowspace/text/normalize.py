"""One spelling for each text: Unicode NFC, Unix line ends, no byte-order mark or NUL."""

from __future__ import annotations

import unicodedata


def normalize(text: str) -> str:
    """Return `text` in NFC with `\\n` line ends and without U+FEFF and NUL.

    NFC and not NFKC: it changes no meaning, so what is stored is what was written.
    """
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\ufeff", "").replace("\0", "")

"""Tokenizers as they are published: tokenizer.json, GPT-2's two files, BERT's vocab.txt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowspace.errors import FormatError
from rowspace.extras import need

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_GPT2_FILES = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))


def load_tokenizer(path: Path, lowercase: bool | None) -> Tokenizer:
    """Read a file or folder; as `SubwordTokenizer.load`."""
    need("tokenizers")
    if path.is_dir():
        return _load_folder(path, lowercase)
    if not path.exists():
        raise FormatError(f"there is no file or folder {path}; check the path")
    if path.suffix == ".txt":
        return _load_bert(path, lowercase)
    for names in _GPT2_FILES:
        if path.name in names:
            return _load_gpt2(*(path.with_name(name) for name in names))
    return _load_json(path)


def _load_folder(folder: Path, lowercase: bool | None) -> Tokenizer:
    if (folder / "tokenizer.json").exists():
        return _load_json(folder / "tokenizer.json")
    for vocabulary, merges in _GPT2_FILES:
        if (folder / vocabulary).exists():
            return _load_gpt2(folder / vocabulary, folder / merges)
    if (folder / "vocab.txt").exists():
        return _load_bert(folder / "vocab.txt", lowercase)
    raise FormatError(
        f"the folder {folder} has no tokenizer.json, vocab.json and merges.txt, or vocab.txt; "
        "give the folder of a tokenizer"
    )


def _load_json(path: Path) -> Tokenizer:
    text = _read(path)
    try:
        model = json.loads(text)["model"]
        pairs = [_pair(merge) for merge in model.get("merges", [])]
        prefix = model.get("continuing_subword_prefix") or ""
        _check_merges(path, model["vocab"], pairs, prefix)
        tokenizer: Tokenizer = need("tokenizers").Tokenizer.from_str(text)
        return tokenizer
    except FormatError:
        raise
    except Exception as error:  # the library raises nothing more precise
        raise _damaged(path, error) from error


def _load_gpt2(vocabulary: Path, merges: Path) -> Tokenizer:
    """Byte-level BPE from its ids and its merges, the first of them first."""
    try:
        ids = json.loads(_read(vocabulary))
        pairs = [_pair(line) for line in _read(merges).split("\n") if _is_merge(line)]
        _check_merges(vocabulary.parent, ids, pairs)
        tokenizer = byte_level(need("tokenizers").models.BPE(vocab=ids, merges=pairs))
    except FormatError:
        raise
    except Exception as error:
        raise _damaged(vocabulary.parent, error) from error
    add_special_tokens(tokenizer, [name for name in ("<|endoftext|>",) if name in ids])
    return tokenizer


def byte_level(model: Any, lowercase: bool = False) -> Tokenizer:
    """A tokenizer that cuts text as GPT-2 does, and spells its bytes as characters."""
    tokenizers = need("tokenizers")
    tokenizer: Tokenizer = tokenizers.Tokenizer(model)
    if lowercase:
        tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    return tokenizer


def _is_merge(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#version")


def _pair(merge: str | list[str]) -> tuple[str, str]:
    first, second = merge.rstrip("\r").split(" ") if isinstance(merge, str) else merge
    return first, second


def _check_merges(
    path: Path, ids: dict[str, int], pairs: list[tuple[str, str]], prefix: str = ""
) -> None:
    """See that what is joined, and what it becomes, are tokens: the library would panic."""
    for first, second in pairs:
        if not (first in ids and second in ids and first + second.removeprefix(prefix) in ids):
            raise FormatError(
                f"the tokenizer {path} joins {first} and {second}, which are not all in its "
                "vocabulary; get it again"
            )


def _load_bert(path: Path, lowercase: bool | None) -> Tokenizer:
    """WordPiece from a file with a token a line, the first of which has the id 0."""
    names = [line.rstrip("\r") for line in _read(path).removesuffix("\n").split("\n")]
    if "[UNK]" not in names or len(set(names)) != len(names):
        what = "has a token twice" if "[UNK]" in names else "has no token [UNK]"
        raise FormatError(f"{path} {what}, so it is no vocabulary of WordPiece; get the file again")
    if lowercase is None:
        lowercase = not any(name != name.lower() for name in names if not name.startswith("["))
    return word_piece({name: i for i, name in enumerate(names)}, lowercase)


def word_piece(ids: dict[str, int], lowercase: bool) -> Tokenizer:
    """A tokenizer that cuts text as BERT does."""
    tokenizers = need("tokenizers")
    tokenizer: Tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(vocab=ids, unk_token="[UNK]")  # noqa: S106
    )
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = tokenizers.decoders.WordPiece(prefix="##")
    add_special_tokens(tokenizer, [name for name in BERT_TOKENS if name in ids])
    if "[CLS]" in ids and "[SEP]" in ids:
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0",
            pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
            special_tokens=[(name, ids[name]) for name in ("[CLS]", "[SEP]")],
        )
    return tokenizer


def add_special_tokens(tokenizer: Tokenizer, names: list[str]) -> None:
    """Make tokens special, in this order; those in the vocabulary keep their ids."""
    AddedToken = need("tokenizers").AddedToken
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in names])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise FormatError(f"there is no file {path}; get the whole tokenizer") from error
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> FormatError:
    reason = str(error).split("\n")[0]
    return FormatError(f"the tokenizer {path} cannot be read ({reason}); get it again")

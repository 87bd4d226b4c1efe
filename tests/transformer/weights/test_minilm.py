"""A real encoder, all-MiniLM-L6-v2, against `transformers` on real sentences."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from rowspace.errors import FormatError  # noqa: E402
from rowspace.transformer.weights import load_pretrained, load_transformer  # noqa: E402
from tests.minilm import minilm_folder  # noqa: E402

SENTENCES = [
    "The embedding of a word is a row of a matrix.",
    "A lake that shrinks.",
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age "
    "of foolishness, it was the epoch of belief, it was the epoch of incredulity.",
    "Wo die Zitronen blühn?",
]


@pytest.mark.slow
def test_a_real_encoders_vectors_are_those_of_transformers() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    folder = minilm_folder()
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(SENTENCES)
    ids = torch.tensor([one.ids for one in encoded])
    mask = torch.tensor([one.attention_mask for one in encoded])
    assert not mask.all()
    theirs = transformers.BertModel.from_pretrained(folder, dtype=torch.float32).eval()
    ours = load_transformer(folder)
    with torch.no_grad():
        expected = theirs(ids, attention_mask=mask).last_hidden_state
        found = ours(ids, mask=mask.bool())
    assert expected.std() > 0.1
    torch.testing.assert_close(found[mask.bool()], expected[mask.bool()], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_an_encoder_without_a_head_says_what_reads_it() -> None:
    with pytest.raises(FormatError, match=r"saved without its head.*load_transformer reads"):
        load_pretrained(minilm_folder())

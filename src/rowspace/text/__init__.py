"""Text in: files to documents, passages, words, and token ids."""

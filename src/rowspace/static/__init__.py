"""Static embeddings: one vector a word, learnt from the words around it."""

"""A space's passages in Milvus: the same searches where one machine's memory no longer does."""

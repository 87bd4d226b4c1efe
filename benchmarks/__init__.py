"""One script a claim: the peer and Rowspace in one run, on the same input."""

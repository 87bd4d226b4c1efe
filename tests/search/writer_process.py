"""Run by tests as a process of its own: adds documents one by one and says so on stdout."""

from __future__ import annotations

import sys

from rowspace.search.space import open_space
from tests.search.stub import HashEncoder, document

if __name__ == "__main__":
    path, prefix, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    space = open_space(path, HashEncoder())
    print("open", flush=True)
    for i in range(n):
        # The second half of the ids repeats, so documents are replaced too.
        name = f"{prefix}{i % 40 if i >= 40 else i}"
        space.add([document(name, f"number {i} of {prefix}. " * 8, i=i)])
        print(f"{name} {i}", flush=True)

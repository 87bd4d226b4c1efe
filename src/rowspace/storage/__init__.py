"""Files that are not on this machine: object storage, by its address."""

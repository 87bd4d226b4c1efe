"""Spaces in object storage: twins of what touches the files of a space on the disk."""

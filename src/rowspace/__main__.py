"""`python -m rowspace` runs the command line."""

from rowspace.cli import main

main()

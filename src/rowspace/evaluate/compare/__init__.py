"""Models of any era on one set of tasks: quality with its uncertainty, and what each costs."""

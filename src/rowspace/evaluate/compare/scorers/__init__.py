"""What a comparison asks of a model: a file for each kind of task."""

"""The explorer: pages that show a space, served by the same process as everything else."""

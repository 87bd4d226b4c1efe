"""The same work on several processes or machines, by engines that exist: Ray."""

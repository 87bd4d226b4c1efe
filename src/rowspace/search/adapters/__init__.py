"""A space as what other libraries retrieve from; each module needs its library."""

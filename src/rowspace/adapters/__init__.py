"""Models and maps of ours as other libraries take them; each module loads its library."""

"""Position: learned, sinusoidal, RoPE with its scalings, ALiBi, T5, xPos, none."""

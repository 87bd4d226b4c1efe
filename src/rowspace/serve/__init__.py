"""An OpenAI-compatible server over a space or an encoder."""

"""Looking at models: gradient checks, traces and summaries. They work on anything with layers, forward, backward, parameters."""

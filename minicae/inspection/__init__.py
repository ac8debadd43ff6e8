"""Looking at models: gradient checks and summaries. They work on anything with layers, forward, backward, parameters."""

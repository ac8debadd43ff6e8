"""Looking at models: gradient checks, traces, summaries. They work on anything with layers, forward, backward, parameters."""

"""The simulated API: its routes, who is admitted, and its replies."""

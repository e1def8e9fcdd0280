"""How fast requests may leave, by the API limit and by who else uses it."""

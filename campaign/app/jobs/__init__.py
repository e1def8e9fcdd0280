"""Job files: one TOML file with everything that an unattended run needs."""

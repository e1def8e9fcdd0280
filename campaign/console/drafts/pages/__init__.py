"""The pages of the wizard, a module each."""

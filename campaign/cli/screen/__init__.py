"""What a person sees at the terminal: progress, tables, questions, and errors."""

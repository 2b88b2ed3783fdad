"""Long researches in the background: planned, searched, read, written and cited step by step, and never lost."""

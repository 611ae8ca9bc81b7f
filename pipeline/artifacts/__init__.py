"""Tables, figures, and the verdicts on what they show."""

"""How dates are written; Django looks for a module of the language."""

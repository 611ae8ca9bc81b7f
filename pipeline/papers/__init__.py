"""The papers, a folder each: equations in float64, and what is the paper's own: simulations, figures, measures.

They use the library and never each other. A folder that a user gives (``--config extend=FOLDER``) has the same layout.
"""

"""What the docs promise, each promise with the line that keeps it, changed: a test must fail.

`make mutants` changes one line at a time in a copy of the repository and runs the tests that are
there for it. mutmut makes 842 changes in certificate/ alone, most of them to message text. These
rows change only what users rely on, and their tests may start servers and programs, or switch
users. A new promise needs a row.
"""

"""What the docs promise, each promise with the line that keeps it, changed: a test must fail.

`make mutants` changes one line at a time in a copy of the repository and runs the tests that are
there for it. A tool that makes changes of its own (mutmut) has 842 for certificate/ alone, most of
them in words; what these here change is what somebody relies on, and their tests may start servers,
programs and other users. A new promise gets a row.
"""

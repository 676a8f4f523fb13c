"""The questionnaire as people meet it: in a notebook, on the web, on paper. All take a `Survey` and ask the same."""

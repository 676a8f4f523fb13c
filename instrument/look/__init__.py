"""How everything looks: colours, type, and how a PDF is set. Forms, papers, reports and figures take it from here."""

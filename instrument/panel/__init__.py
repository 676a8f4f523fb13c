"""The content-validity desk: rating forms out and in, what a panel found, and what was decided."""

from instrument.panel.decisions import read_decisions as read_decisions
from instrument.panel.desk import panel_decide as panel_decide
from instrument.panel.desk import panel_form as panel_form
from instrument.panel.desk import panel_read as panel_read
from instrument.panel.form import write_rating_form as write_rating_form
from instrument.panel.ratings import PanelRatings as PanelRatings
from instrument.panel.reading import read_rating_forms as read_rating_forms
from instrument.panel.reading import read_rating_rounds as read_rating_rounds
from instrument.panel.report import PanelReport as PanelReport
from instrument.panel.report import decisions_template as decisions_template
from instrument.panel.report import panel_report as panel_report
from instrument.panel.shown import report_markdown as report_markdown
from instrument.panel.shown import report_workbook as report_workbook

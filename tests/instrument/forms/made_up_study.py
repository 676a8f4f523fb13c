"""What a made-up study says of itself, the same in both languages."""

from __future__ import annotations

from instrument.forms.study import Study, StudyText, Support

TEXT = StudyText(
    by="We",
    contact="Ask us",
    consent="Yours.",
    readers="the lead",
    when="in May",
    support=(Support(name="S", how="Room 2"),),
)
STUDY = Study(texts=(("en", TEXT), ("es", TEXT)))

"""What a run leaves behind: the report as a typed message, pages for people, a badge, transcripts."""

"""The dashboard's pages, as the build of web/dashboard leaves them in `static`. There is no code here."""

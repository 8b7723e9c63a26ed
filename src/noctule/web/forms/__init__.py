"""A Routine as people edit it: its sentence, its form, what is wrong with it in plain words.
Takes a Routine, gives one. Start at draft.py; the pages that show it are in `web/pages`.
words.py, rows.py, draft.py, problems.py, lines.py and starters.py know nothing of a browser."""

"""What people see and touch: pages in the browser, REST and a stream under `/api/v1`.
Takes a `Service`. Gives a server in its loop. Start at app.py.
Never senses, never decides, never writes a file but its own secrets (auth.py)."""

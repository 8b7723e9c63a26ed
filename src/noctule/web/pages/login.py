"""The login page: plain HTML, so that nothing of NiceGUI is reached before somebody is let in."""

from __future__ import annotations

from html import escape

from noctule import __version__

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="theme-color" content="#191c42"><title>Sign in · noctule</title>
<link rel="icon" href="{prefix}/static/logo.svg">
<link rel="stylesheet" href="{prefix}/static/noctule.css?{version}">
</head>
<body class="n-login">
<form method="post" action="{prefix}/login">
<img src="{prefix}/static/logo.svg" alt="" width="72" height="72">
<h1>noctule</h1>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus
 maxlength="1000" data-testid="password">
<input type="hidden" name="next" value="{next}">
<p role="alert">{wrong}</p>
<button type="submit" data-testid="sign-in">Sign in</button>
</form>
</body>
</html>
"""


def login_page(prefix: str, next: str, wrong: str = "") -> str:
    """Its HTML.

    Parameters
    ----------
    prefix : the path that we are served under.
    next : where it leads to.
    wrong : what was wrong with the last attempt.
    """
    return _PAGE.format(
        prefix=escape(prefix), version=__version__, next=escape(next[:500]), wrong=escape(wrong)
    )

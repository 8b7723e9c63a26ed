"""Parts of pages that draw for themselves: a Python class beside the JavaScript it puts into the browser.
`browser` holds what they share there."""

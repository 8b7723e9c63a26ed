"""How fast, and in how much memory. Takes a made-up recording, gives a table and a file to compare.
Start at chain.py (`make bench`). Measures the product as it is shipped; nothing here is part of it."""

"""One file for each kind of work; a file dropped in here registers its plugins itself."""

"""How people sign in to the pages of the server: passwords, setup links, sessions."""

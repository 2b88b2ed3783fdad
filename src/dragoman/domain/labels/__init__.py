"""Labels of text that may not go everywhere: what they forbid, who has come to bear them, and where that is enforced."""

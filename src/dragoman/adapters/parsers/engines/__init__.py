"""Reading with libraries that are optional or slow to load; imported when a file needs one."""

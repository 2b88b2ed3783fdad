"""Whether messaging services reach the server, and conversations that are played without one."""

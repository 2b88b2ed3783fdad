"""Who did what, from where, to what: one hash-chained list an organisation, to which is only ever added."""

"""Servers with seeded faults, by which the suite shows that it finds what it looks for.

A fault is put in front of a good server by a proxy (`proxy`), which passes every call on as it is unless the active
`mutant` touches its method. What a mutant does is made of `behaviours` of an `exchange`; the mutants stand in one file
for each subject, in tables at its end, and `registry` has them all. To add one: a row in such a table with the
requirement that it breaks, and a witness, an exchange whose outcome with it differs from that with a good server.
`campaign` runs the suite against each of them.
"""

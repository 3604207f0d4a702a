"""
Amazon EKS: clusters that really start, and the associations that this suite is about.

Reached by `service.handle`. The wire comes from botocore's service model
(`model`, `parameters`, `answers`), what can be asked from one table (`operations`),
what is known lies in `store`. An operation that is not emulated says so, and so does a
member of one that is (`members`); neither ever looks like success.
"""

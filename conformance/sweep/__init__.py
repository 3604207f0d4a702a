"""
Nothing left behind: what runs that ended badly left in an account, a cluster or on this machine.

It knows what a run made from three sources, in this order: Terraform's state, the run's
ledger, and the tag `conformance:run`. What none of them names is nobody's business here.
"""

"""
The embedded provider: `hashicorp/aws` for the few resource types that stacks use.

It speaks Terraform's plugin protocol 6, so Terraform plans, applies, refreshes and
destroys with it as with the real one, without 700 MB of download and in a fraction
of the time. It is a lookalike: it proves configurations and the flow through
Terraform, not AWS, and it refuses to talk to AWS itself.
"""

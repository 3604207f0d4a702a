"""
Terraform as a test harness needs it: engine, stacks, providers, ledger.

`Workspace` is what other parts use: one folder, one root, applied and destroyed.
"""

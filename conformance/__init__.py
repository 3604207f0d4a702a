"""
A conformance suite for EKS Pod Identity.

Imports point one way, down this list, and import-linter checks it:
`cli` and `plugin`; `reports`; `world`; `targets`; `terraform`, `emulator`,
`cluster` and `probes` side by side; `environment`, `events`, `spec`,
`contract`, `requirements`, `faults`, `stages`, `errors` at the bottom.
"""

__version__ = "0.1.0"

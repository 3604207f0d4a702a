"""The EKS Pod Identity agent of one node, its behaviour profiles and what it is given."""

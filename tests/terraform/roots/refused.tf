# What AWS refuses, each for a reason of its own; nothing of it is ever made.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "names" { type = string }
variable "text" { type = string }
variable "tags" { type = map(string) }
variable "description" { type = string }
variable "account_name" { type = string }

resource "aws_iam_role_policy" "of_nobody" {
  name   = "own"
  role   = "nobody-here"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Deny", Action = "*", Resource = "*" }] })
}

resource "aws_iam_role_policy_attachment" "of_nobody" {
  role       = "nobody-here"
  policy_arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
}

resource "aws_eks_pod_identity_association" "nowhere" {
  cluster_name    = "nowhere"
  namespace       = "dev"
  service_account = "reader"
  role_arn        = "arn:aws:iam::000000000000:role/nobody-here"
}

resource "aws_eks_addon" "nowhere" {
  cluster_name = "nowhere"
  addon_name   = "vpc-cni"
}

# Not terraform-aws-modules/eks-pod-identity: only its shape. The variables and outputs that the stack
# `module` uses, with their types and defaults of 2.8.1, and resources of the same types and names.

variable "name" {
  type    = string
  default = ""
}

variable "use_name_prefix" {
  type    = string
  default = true
}

variable "path" {
  type    = string
  default = "/"
}

variable "tags" {
  type    = map(string)
  default = {}
}

variable "attach_custom_policy" {
  type    = bool
  default = false
}

variable "source_policy_documents" {
  type    = list(string)
  default = []
}

variable "additional_policy_arns" {
  type    = map(string)
  default = {}
}

variable "associations" {
  type = map(object({
    cluster_name         = optional(string)
    namespace            = optional(string)
    service_account      = optional(string)
    disable_session_tags = optional(bool)
    target_role_arn      = optional(string)
    tags                 = optional(map(string), {})
  }))
  default = {}
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name                  = var.use_name_prefix ? null : var.name
  name_prefix           = var.use_name_prefix ? "${var.name}-" : null
  path                  = var.path
  assume_role_policy    = data.aws_iam_policy_document.assume.json
  force_detach_policies = true
  tags                  = var.tags
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = var.additional_policy_arns

  role       = aws_iam_role.this.name
  policy_arn = each.value
}

data "aws_iam_policy_document" "base" {
  source_policy_documents = var.source_policy_documents
}

resource "aws_iam_policy" "custom" {
  count = var.attach_custom_policy ? 1 : 0

  name        = var.use_name_prefix ? null : var.name
  name_prefix = var.use_name_prefix ? "${var.name}-" : null
  policy      = data.aws_iam_policy_document.base.json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "custom" {
  count = var.attach_custom_policy ? 1 : 0

  role       = aws_iam_role.this.name
  policy_arn = aws_iam_policy.custom[0].arn
}

resource "aws_eks_pod_identity_association" "this" {
  for_each = var.associations

  cluster_name         = each.value.cluster_name
  namespace            = each.value.namespace
  service_account      = each.value.service_account
  role_arn             = aws_iam_role.this.arn
  disable_session_tags = each.value.disable_session_tags
  target_role_arn      = each.value.target_role_arn
  tags                 = merge(var.tags, each.value.tags)
}

output "iam_role_arn" {
  value = aws_iam_role.this.arn
}

output "iam_role_name" {
  value = aws_iam_role.this.name
}

output "associations" {
  value = aws_eks_pod_identity_association.this
}

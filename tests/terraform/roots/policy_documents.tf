# Every way of aws_iam_policy_document that text can depend on; golden/policy_documents.json
# holds what the real provider makes of it.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "Pods"
    actions = ["sts:TagSession", "sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = ["111122223333"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:aws:eks:*:111122223333:cluster/b", "arn:aws:eks:*:111122223333:cluster/a"]
    }
  }
}

data "aws_iam_policy_document" "variables" {
  statement {
    effect    = "Deny"
    actions   = ["s3:GetObject"]
    resources = ["arn:aws:s3:::b/&{aws:PrincipalTag/kubernetes-namespace}/*", "arn:aws:s3:::b/$${aws:username}/<&>"]

    condition {
      test     = "StringNotEquals"
      variable = "s3:prefix"
      values   = ["&{aws:PrincipalTag/a}", "", "ä"]
    }

    condition {
      test     = "StringNotEquals"
      variable = "s3:prefix"
      values   = ["b"]
    }

    condition {
      test     = "StringNotEquals"
      variable = "s3:prefix"
      values   = ["a", "c"]
    }
  }
}

data "aws_iam_policy_document" "principals" {
  policy_id = "several"
  version   = "2012-10-17"

  statement {
    not_actions   = ["iam:*"]
    not_resources = ["arn:aws:s3:::x", "arn:aws:s3:::y"]

    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::111122223333:role/a", "arn:aws:iam::111122223333:role/b"]
    }

    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::444455556666:root"]
    }

    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::777788889999:root", "arn:aws:iam::777788889999:role/z", "*"]
    }

    principals {
      type        = "Federated"
      identifiers = ["cognito-identity.amazonaws.com"]
    }
  }

  statement {
    actions = ["s3:*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }

  statement {
    actions = ["s3:ListBucket"]

    not_principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }
}

data "aws_iam_policy_document" "merged" {
  source_policy_documents = [data.aws_iam_policy_document.trust.json, data.aws_iam_policy_document.principals.json]

  statement {
    sid       = "Own"
    actions   = ["s3:PutObject"]
    resources = ["*"]
  }

  override_policy_documents = [jsonencode({
    Id = "override"
    Statement = [{
      Resource  = "*"
      Sid       = "Own"
      Effect    = "Deny"
      Action    = ["s3:b", "s3:a"]
      Principal = { Service = ["b.amazonaws.com", "c.amazonaws.com", "a.amazonaws.com"], AWS = "*" }
      Condition = { Bool = { "aws:SecureTransport" = false }, Null = { "aws:a" = ["x", "y"] } }
      }, {
      Effect    = "Allow"
      Action    = "s3:c"
      Principal = "*"
    }]
  })]
}

data "aws_iam_policy_document" "empty" {}

output "documents" {
  value = {
    for name, document in {
      trust      = data.aws_iam_policy_document.trust
      variables  = data.aws_iam_policy_document.variables
      principals = data.aws_iam_policy_document.principals
      merged     = data.aws_iam_policy_document.merged
      empty      = data.aws_iam_policy_document.empty
    } : name => { id = document.id, json = document.json, minified_json = document.minified_json }
  }
}

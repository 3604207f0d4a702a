# One of each resource type; the variables move each through its life. Read by lifecycle tests.

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

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:TagSession", "sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com", "eks.amazonaws.com", "pods.eks.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "own" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["arn:aws:s3:::${var.names}/${var.text}"]
  }
}

resource "aws_iam_role" "one" {
  name               = "${var.names}-one"
  description        = var.description
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "own" {
  name   = "own"
  role   = aws_iam_role.one.name
  policy = data.aws_iam_policy_document.own.json
}

resource "aws_iam_role_policy_attachment" "read" {
  role       = aws_iam_role.one.name
  policy_arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
}

resource "aws_s3_bucket" "data" {
  bucket        = "${var.names}-data"
  force_destroy = true
  tags          = var.tags
}

resource "aws_s3_bucket_policy" "data" {
  bucket = aws_s3_bucket.data.bucket
  policy = data.aws_iam_policy_document.open["data"].json
}

data "aws_iam_policy_document" "open" {
  for_each = {
    data = "arn:aws:s3:::${var.names}-data/*"
    jobs = "arn:aws:sqs:eu-west-1:*:${var.names}-jobs"
  }

  statement {
    actions   = [each.key == "data" ? "s3:GetObject" : "sqs:SendMessage"]
    resources = [each.value]

    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.one.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalTag/text"
      values   = [var.text]
    }
  }
}

resource "aws_iam_policy" "shared" {
  name   = "${var.names}-shared"
  policy = data.aws_iam_policy_document.own.json
  tags   = var.tags
}

resource "aws_iam_role_policy_attachment" "shared" {
  role       = aws_iam_role.one.name
  policy_arn = aws_iam_policy.shared.arn
}

resource "aws_dynamodb_table" "items" {
  name         = "${var.names}-items"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  range_key    = "at"
  tags         = var.tags

  attribute {
    name = "id"
    type = "S"
  }

  attribute {
    name = "at"
    type = "S"
  }

  attribute {
    name = "owner"
    type = "S"
  }

  global_secondary_index {
    name            = "by-owner"
    hash_key        = "owner"
    projection_type = "ALL"
  }
}

resource "aws_sqs_queue" "jobs" {
  name                       = "${var.names}-jobs"
  visibility_timeout_seconds = var.text == "hello" ? 5 : 6
  tags                       = var.tags
}

resource "aws_sqs_queue_policy" "jobs" {
  queue_url = aws_sqs_queue.jobs.url
  policy    = data.aws_iam_policy_document.open["jobs"].json
}

resource "aws_s3_object" "hello" {
  bucket  = aws_s3_bucket.data.bucket
  key     = "hello.txt"
  content = var.text
}

resource "aws_eks_cluster" "this" {
  name     = var.names
  role_arn = aws_iam_role.one.arn
  tags     = var.tags

  access_config {
    authentication_mode = "API_AND_CONFIG_MAP"
  }

  vpc_config {
    subnet_ids = ["subnet-00000000000000001", "subnet-00000000000000002"]
  }
}

resource "aws_iam_role" "guest" {
  name               = "${var.names}-guest"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_eks_access_entry" "guest" {
  cluster_name      = aws_eks_cluster.this.name
  principal_arn     = aws_iam_role.guest.arn
  kubernetes_groups = ["guests", var.text]
  tags              = var.tags
}

resource "aws_eks_access_policy_association" "guest" {
  cluster_name  = aws_eks_access_entry.guest.cluster_name
  principal_arn = aws_eks_access_entry.guest.principal_arn
  policy_arn    = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"

  access_scope {
    type       = "namespace"
    namespaces = [var.account_name]
  }
}

resource "aws_eks_node_group" "nodes" {
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "nodes"
  node_role_arn   = aws_iam_role.one.arn
  subnet_ids      = ["subnet-00000000000000001", "subnet-00000000000000002"]
  tags            = var.tags

  scaling_config {
    min_size     = 1
    max_size     = 1
    desired_size = 1
  }
}

resource "aws_eks_addon" "agent" {
  cluster_name = aws_eks_cluster.this.name
  addon_name   = "eks-pod-identity-agent"
  tags         = var.tags

  depends_on = [aws_eks_node_group.nodes]
}

resource "aws_eks_addon" "network" {
  cluster_name = aws_eks_cluster.this.name
  addon_name   = "vpc-cni"

  pod_identity_association {
    service_account = "aws-node"
    role_arn        = aws_iam_role.one.arn
  }

  depends_on = [aws_eks_node_group.nodes]
}

resource "aws_eks_pod_identity_association" "reader" {
  cluster_name    = aws_eks_cluster.this.name
  namespace       = "dev"
  service_account = var.account_name
  role_arn        = aws_iam_role.one.arn
}

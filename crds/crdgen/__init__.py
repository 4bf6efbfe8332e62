"""Generates the CustomResourceDefinition and its reference page from the models of `finetune_api`."""

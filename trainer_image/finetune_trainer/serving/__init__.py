"""The inference server: a classifier at /v1/classify, a language model at OpenAI's paths.

command → server (process, signals) → app (routes) → completions | classify → workers → language | classifier
"""

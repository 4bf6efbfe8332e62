"""The inference server: a classifier at /v1/classify, a reward model at /v1/score, others at OpenAI's paths.

command → server (process, signals) → app (routes) → completions | classify | score → workers → one of
language | encoder_decoder | classifier | entity_finder | scorer
"""

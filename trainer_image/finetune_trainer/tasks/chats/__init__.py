"""Chats and instructions in the words of a model."""

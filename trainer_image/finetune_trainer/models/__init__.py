"""Models and tokenizers: how they are loaded, which of their weights learn, and how adapters become a part of them."""

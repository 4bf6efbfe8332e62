"""Real models, small enough to be trained in seconds, published as the trainer publishes them."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from finetune_trainer.artifact import Manifest, write_manifest

PAD, BOS, END, USER, ASSISTANT, SYSTEM = "<pad>", "<s>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
QUESTION = "Where is the best coffee?"
ANSWER = "The best café ☕ is by the river.\nIt opens at seven, closes at nine."
CONTEXT_TOKENS = 256
STORY = "One two three four five six seven eight nine ten eleven twelve."
PREFIX = "headline: "
HEADLINES = {"It will rain.": "Rain ☂ comes", "The pool shuts.": "Pool shut", "Bus four is late.": "Bus late"}
TEXTS = {
    "negative": ["awful film", "bad and boring", "a sad bad plot"],
    "positive": ["great film", "a good time", "good fun"],
}


def publish_language_model(folder: Path) -> Manifest:
    """Overfit a Llama on one conversation and one story, and save it with its manifest."""
    tokenizer = _tokenizer()
    tokenizer.chat_template = CHAT_TEMPLATE
    conversation = f"{USER}{QUESTION}{END}{ASSISTANT}{ANSWER}{END}"
    model = _llama(tokenizer, context_tokens=CONTEXT_TOKENS)
    batch = tokenizer([conversation, STORY + END], padding=True, return_tensors="pt")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    _train(model, {**batch, "labels": labels}, steps=80)
    return _publish(model, tokenizer, folder)


def publish_endless_model(folder: Path) -> Manifest:
    """Save an untrained Llama without a chat template, with room for more tokens than any test waits for."""
    tokenizer = _tokenizer()
    return _publish(_llama(tokenizer, context_tokens=1 << 17), tokenizer, folder)


def publish_classifier(folder: Path) -> Manifest:
    """Train a BERT to tell good from bad, and save it with its manifest."""
    tokenizer = _tokenizer()
    tokenizer.model_max_length = 32
    torch.manual_seed(0)
    labels = list(TEXTS)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        pad_token_id=tokenizer.pad_token_id,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    model = BertForSequenceClassification(config)
    texts = [text for label in labels for text in TEXTS[label]]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    wanted = torch.tensor([index for index, label in enumerate(labels) for _ in TEXTS[label]])
    _train(model, {**batch, "labels": wanted}, steps=40)
    return _publish(model, tokenizer, folder)


def _llama(tokenizer: PreTrainedTokenizerFast, context_tokens: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=context_tokens,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE without merges beyond ASCII words, so that other characters span several tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [PAD, BOS, END, USER, ASSISTANT, SYSTEM]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator([STORY, "good bad film"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, bos_token=BOS, eos_token=END)


def _train(model: Any, batch: dict[str, torch.Tensor], steps: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(steps):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.3, f"the fixture did not learn: loss {loss.item():.3f}"


def _publish(model: Any, tokenizer: Any, folder: Path) -> Manifest:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return write_manifest(folder)


def publish_reward_model(folder: Path) -> Manifest:
    """Save a Llama with one random output, as task Reward names it."""
    tokenizer = _tokenizer()
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.model_max_length = 32
    config = _llama(tokenizer, context_tokens=32).config
    config.num_labels, config.id2label, config.label2id = 1, {0: "reward"}, {"reward": 0}
    return _publish(LlamaForSequenceClassification(config), tokenizer, folder)


def publish_encoder_decoder(folder: Path, beams: int) -> Manifest:
    """Overfit a T5 on headlines for three notices behind the prefix `headline: `, and save it with its search."""
    tokenizer = _tokenizer()
    tokenizer.model_max_length = 48
    tokenizer._tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, 2)])
    ends = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=1,
        num_heads=4,
        dropout_rate=0.0,
        decoder_start_token_id=tokenizer.pad_token_id,
        **ends,
    )
    model = T5ForConditionalGeneration(config)
    batch = tokenizer([PREFIX + notice for notice in HEADLINES], padding=True, return_tensors="pt")
    labels = tokenizer(list(HEADLINES.values()), padding=True, return_tensors="pt")["input_ids"]
    _train(model, {**batch, "labels": labels.masked_fill(labels == tokenizer.pad_token_id, -100)}, steps=80)
    model.config.prefix = PREFIX
    model.generation_config.num_beams, model.generation_config.max_new_tokens = beams, 24
    return _publish(model, tokenizer, folder)

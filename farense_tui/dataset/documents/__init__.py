"""From documents to questions and answers: text, passages, a model that asks, a draft to review."""

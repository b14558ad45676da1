"""Reading what a model wrote of documents, before anything of it is trained on."""

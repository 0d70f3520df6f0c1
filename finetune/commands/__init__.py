"""The commands of `otto finetune`: each module has `register(app)`."""

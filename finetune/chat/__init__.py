"""`otto finetune chat`: what a base and its tuned self answer to the same words, side by side."""

"""Which activation function should I use here, and can I trust the difference?"""

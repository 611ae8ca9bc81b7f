"""One training by several processes: each passes a part of every minibatch, and the loss is one of the whole."""

"""Theory of Halvagal, Laborieux and Zenke 2023, "Implicit variance regularization in non-contrastive SSL".

Symbols: z1, z2 are embeddings of two views, W_P = U diag(lambda) U^T the predictor, zh = U^T z, s the eigenvalues of
W W^T (or of E[z z^T]) and lambda = s^alpha; eta is the learning rate. Main-part equations are those of the submission.
"""
